"""What the command line adds to errors and warnings: the option that would help."""

from __future__ import annotations

from pathlib import Path

import click

from reage.errors import ExistsError, JudgeError, PixelLimitError, ReageError


def print_doubt(photo: Path, doubt: str) -> None:
    """Warn that the age in ``photo`` that an edit starts from may be misread; ``doubt`` says whose, and why."""
    click.echo(f"reage: {photo}: {doubt}; --from says it", err=True)


def explain(error: ReageError, command: click.Command | None) -> str:
    """The one line shown for ``error``, with advice that suits the options of ``command``."""
    options = {name for parameter in command.params for name in parameter.opts} if command else set()
    if isinstance(error, ExistsError):
        replace = "--overwrite" in options
        return (
            f"{error}; {'pass --overwrite to replace it' if replace else 'remove it or choose another name'}"
        )
    if isinstance(error, JudgeError):
        return f"{error}; pass --force to judge all the same, with a warning in the report"
    if isinstance(error, PixelLimitError) and "--max-pixels" in options:
        return f"{error}; raise it with --max-pixels if you trust the file"
    return str(error)
