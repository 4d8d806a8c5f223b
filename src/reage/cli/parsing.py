"""What commands share: how their arguments are read, and what they need."""

from __future__ import annotations

from pathlib import Path

import click

from reage.errors import AgeError, ReageError, RegionError

PATH = click.Path(path_type=Path)
MOST_AGES = 200


def parse_ages(text: str) -> list[float]:
    """``20:80:10`` or ``20,45,70`` as ages; raises `AgeError` for anything else."""
    try:
        if ":" in text:
            first, last, step = (float(part) for part in text.split(":"))
            count = max(0, int((last - first) / step + 1e-9) + 1)
            ages = [first + step * i for i in range(min(count, MOST_AGES))]
        else:
            ages = [float(part) for part in text.split(",")]
            count = len(ages)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise AgeError(f"ages '{text}': say first:last:step or a list such as 20,45,70") from None
    if not 1 <= count <= MOST_AGES:
        raise AgeError(f"ages '{text}' are {count} ages; a sheet holds 1 to {MOST_AGES}")
    return ages


def parse_span(text: str) -> tuple[float, float]:
    """``20:80`` as two ages; raises `AgeError` for anything else."""
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        raise AgeError(f"ages '{text}': say first:last, such as 20:80") from None
    return first, last


def parse_regions(text: str) -> dict[str, float]:
    """``forehead=1,eyes=0.5`` as factors by region; raises `RegionError` for what is not of this form."""
    regions: dict[str, float] = {}
    for part in text.split(","):
        name, sign, factor = (word.strip() for word in part.partition("="))
        try:
            if not sign or name in regions:
                raise ValueError
            regions[name] = float(factor)
        except ValueError:
            raise RegionError(
                f"regions '{text}': say name=factor, each once, as in forehead=1,eyes=0.5"
            ) from None
    return regions


def need_extra(extra: str, *modules: str) -> None:
    """Raises `ReageError`, naming the ``extra`` to install, unless all ``modules`` are there."""
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ReageError(f"this command needs {', '.join(missing)}: pip install 'reage[{extra}]'")
