"""Options that several commands share, parsing of their values, and the check for missing extras."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reage.ages import DIRECTIONS
from reage.devices import DEVICE_VARIABLE, DEVICES
from reage.errors import AgeError, ReageError, RegionError, SignatureError

if TYPE_CHECKING:
    from reage.request import FileOptions, Request
    from reage.sign.signer import Signer

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


class _PathOrUrl(click.Path):
    """A path, or a URL, such as the name of a model on the Hub, which stays text."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, parameter, context)


MODEL = RECIPE = _PathOrUrl(path_type=Path)
MOST_AGES = 200

_SIGN_VARIABLES = ("REAGE_SIGN_CERT", "REAGE_SIGN_KEY")

_TARGET = (
    click.option("--to", type=float, help="Target age, 0 to 116 years."),
    click.option(
        "--by",
        type=float,
        metavar="YEARS",
        help="Instead of --to: years to add to the age in the photo, such as +20 or -10.",
    ),
    click.option(
        "--direction",
        type=click.Choice(list(DIRECTIONS)),
        help="Instead of --to: young2old is age 70 and old2young age 25 (a model may define others), or further away, "
        "so that the change is at least 15 years, within the model's range.",
    ),
)
_FACE = (
    click.option("--faces", help="Faces to edit: all, largest, or numbers such as 0,2 (0 is the largest)."),
    click.option(
        "--from",
        "source",
        type=float,
        metavar="AGE",
        help="Age of the person in the photo; default: estimated for each face.",
    ),
    click.option(
        "--strength",
        type=float,
        default=1.0,
        show_default=True,
        help="Strength of the edit: 0 is none, 1 is full, at most 1.5.",
    ),
    click.option(
        "--gender",
        type=click.Choice(["male", "female"]),
        help="Gender that the model is told; default: estimated for each face.",
    ),
    click.option(
        "--regions",
        metavar="NAME=FACTOR,...",
        help="Strength of the edit in single regions, 0 to 1.5: hair, forehead, eyes, cheeks, mouth, neck. "
        "Example: forehead=1,eyes=0.5.",
    ),
)
_MODEL = (
    click.option(
        "--model",
        type=MODEL,
        help="Model bundle: a folder, a zip file, or hf://owner/name@revision on the Hugging Face Hub; default: the "
        "embedded one.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace existing files."),
    click.option(
        "--sign",
        nargs=2,
        type=PATH,
        metavar="CERT KEY",
        help="Sign the output with C2PA Content Credentials, with this certificate and its private key (PEM files; "
        'needs the extra "sign"); default: the files named by REAGE_SIGN_CERT and REAGE_SIGN_KEY, if these are set.',
    ),
)
_PHOTO = (
    click.option(
        "--quality",
        type=click.IntRange(1, 100),
        help="Quality of JPEG, WebP and HEIC files; default: as in the input for JPEG from JPEG, lossless for WebP "
        "from lossless WebP, else 95.",
    ),
)


def _use_device(context: click.Context, _: click.Parameter, asked: str | None) -> None:
    """Run all networks of this command on the device ``asked`` for; one line warns if it is not available."""
    if asked is None:
        return
    from reage.devices import find_device

    device = find_device(asked)
    if device.note:
        click.echo(f"reage: {device.note}", err=True)
    before = os.environ.get(DEVICE_VARIABLE)
    os.environ[DEVICE_VARIABLE] = device.name  # inherited by processes that the command starts

    def restore() -> None:
        if before is None:
            del os.environ[DEVICE_VARIABLE]
        else:
            os.environ[DEVICE_VARIABLE] = before

    context.call_on_close(restore)


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in their order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    envvar=DEVICE_VARIABLE,
    callback=_use_device,
    expose_value=False,
    help="Device that runs the networks; default: REAGE_DEVICE, or else cpu. Other devices need a build of ONNX "
    "Runtime that supports them (docs/install.md); auto takes the first one available.",
)
ray_option = click.option(
    "--ray",
    is_flag=True,
    help='Use Ray, on this machine or on the cluster named by RAY_ADDRESS (needs the extra "scale").',
)
target_options = _together(*_TARGET)
"""The age to show: --to, --by or --direction."""
face_options = _together(*_FACE, *_MODEL, device_option)
"""The other options of a `Request`, the model, and the device."""
max_pixels_option = click.option(
    "--max-pixels", type=click.IntRange(1), help="Refuse larger photos; in pixels (default: 200 million)."
)
photo_options = _together(*_PHOTO, max_pixels_option)
"""Options for reading and writing photographs."""


def make_request(given: dict[str, Any], *, targeted: bool = False) -> Request:
    """The `Request` made of the values of `target_options` and `face_options`, which are removed from ``given``.

    Raises `click.UsageError` if several targets are given, or none although ``targeted`` requires one, and `ReageError`
    for impossible values.
    """
    from reage.request import GENDERS, Request

    to, by, direction = (given.pop(name, None) for name in ("to", "by", "direction"))
    targets = sum(each is not None for each in (to, by, direction))
    if targets > 1 or (targeted and targets == 0):
        raise click.UsageError("give one of --to AGE, --by YEARS or --direction")
    gender, regions = given.pop("gender"), given.pop("regions")
    return Request(
        to=DIRECTIONS[direction] if direction else to,
        by=by,
        source=given.pop("source"),
        male=None if gender is None else GENDERS[gender],
        strength=given.pop("strength"),
        regions=parse_regions(regions) if regions is not None else {},
        faces=given.pop("faces"),
    )


def make_file_options(given: dict[str, Any]) -> FileOptions:
    """The `FileOptions` made of what `make_request` left in ``given``: the model, and how files are read and written.

    Raises `SignatureError` if files are to be signed and the certificate or the key cannot be used.
    """
    from reage.request import FileOptions

    return FileOptions(signer=_signer(given.pop("sign")), **given)


def _signer(files: tuple[Path, Path] | None) -> Signer | None:
    """The signer of the output, from the files of --sign or of the environment variables; None without either."""
    named = [os.environ.get(name) for name in _SIGN_VARIABLES]
    if files is None and not any(named):
        return None
    certificate, key = files or named
    if not certificate or not key:
        raise SignatureError(f"{' and '.join(_SIGN_VARIABLES)} belong together: set both, or neither")
    from reage.sign.signer import Signer

    return Signer.load(certificate, key, passphrase=os.environ.get("REAGE_SIGN_PASSPHRASE"))


def refuse_terminal(output: str | Path | None) -> None:
    """Raises `click.UsageError` where ``output`` is standard output, and that is a terminal."""
    if str(output) == "-" and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; redirect it to a file or a pipe")


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
        raise AgeError(f"ages '{text}': give first:last:step or a list such as 20,45,70") from None
    if not 1 <= count <= MOST_AGES:
        raise AgeError(f"ages '{text}' are {count} ages; the limit is 1 to {MOST_AGES}")
    return ages


def parse_span(text: str) -> tuple[float, float]:
    """``20:80`` as two ages; raises `AgeError` for anything else."""
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        raise AgeError(f"ages '{text}': give first:last, such as 20:80") from None
    return first, last


def parse_regions(text: str) -> dict[str, float]:
    """``forehead=1,eyes=0.5`` as factors by region; raises `RegionError` for anything else."""
    regions: dict[str, float] = {}
    for part in text.split(","):
        name, sign, factor = (word.strip() for word in part.partition("="))
        try:
            if not sign or name in regions:
                raise ValueError
            regions[name] = float(factor)
        except ValueError:
            raise RegionError(
                f"regions '{text}': give name=factor, each region once, as in forehead=1,eyes=0.5"
            ) from None
    return regions


def need_extra(extra: str, *modules: str) -> None:
    """Raises `ReageError`, which names the ``extra`` to install, unless all ``modules`` are installed."""
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ReageError(f"this command needs {', '.join(missing)}: pip install 'reage[{extra}]'")
