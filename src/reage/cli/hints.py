"""Hints that the command line adds to errors and warnings: the option that would help."""

from __future__ import annotations

from pathlib import Path

import click

from reage.errors import ExistsError, JudgeError, NoBundleError, PixelLimitError, ReageError, printable


def tell(line: str, *, err: bool = False) -> None:
    """Print one line, whatever the names of files in it are; on standard error if ``err``."""
    click.echo(printable(line), err=err)


def print_doubt(photo: Path, doubt: str) -> None:
    """Warn that the age estimated from ``photo`` may be wrong; ``doubt`` says of which face, and why."""
    tell(f"reage: {photo}: {doubt}; --from says it", err=True)


def explain(error: ReageError, command: click.Command | None = None) -> str:
    """The line shown for ``error``, with a hint at an option of ``command`` that would help."""
    options = {name for parameter in command.params for name in parameter.opts} if command else set()
    if isinstance(error, ExistsError):
        replace = "--overwrite" in options
        return (
            f"{error}; {'pass --overwrite to replace it' if replace else 'remove it or choose another name'}"
        )
    if isinstance(error, JudgeError):
        return f"{error}; --force evaluates anyway, with a warning in the report"
    if isinstance(error, PixelLimitError) and "--max-pixels" in options:
        return f"{error}; raise it with --max-pixels if you trust the file"
    if isinstance(error, NoBundleError) and (advice := _way_to_bundle(error.path)):
        return f"{error.path} is not a model bundle; make one from it: {advice}"
    return str(error)


def _way_to_bundle(path: Path) -> str | None:
    """The command that makes a bundle of ``path``, if it is a training run or a checkpoint of the aging-gan project."""
    if path.suffix in (".pth", ".pt"):
        return f"reage import aging-gan {path} -o BUNDLE"
    folders = path.parents[:2] if path.suffix == ".safetensors" else [path]
    run = next((folder for folder in folders if (folder / "settings.json").exists()), None)
    return f"reage export {run} -o BUNDLE" if run else None
