"""The command that reads the provenance of files: ``verify``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from reage.cli.hints import tell
from reage.cli.options import PATH
from reage.errors import PhotoError


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option("--trust", type=PATH, help="PEM file with the certificates of authorities that you trust.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
def verify(files: tuple[Path, ...], trust: Path | None, as_json: bool) -> None:
    """Show how pictures and videos were made: reage's AI-edited mark and C2PA Content Credentials.

    The exit code is 1 if a file was changed after it was signed or its signature is invalid for another reason, and 2
    if a file cannot be read. Content Credentials need the extra "sign". Nothing is fetched from the network.
    """
    from reage.sign.verifying import verify_file

    statements, errors = [], []
    for file in files:
        try:
            statements.append(verify_file(file, trust=trust))
        except PhotoError as error:  # of this file; the others may still be read
            errors.append(str(error))
    if as_json:
        click.echo(json.dumps([statement.as_dict() for statement in statements], indent=2))
    elif statements:
        click.echo("\n".join(str(statement) for statement in statements))
    for text in errors:
        tell(f"reage: {text}", err=True)
    if errors:
        sys.exit(2)
    if any(statement.is_contradicted for statement in statements):
        sys.exit(1)


COMMANDS = (verify,)
