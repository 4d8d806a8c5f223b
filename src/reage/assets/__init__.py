"""Files that are shipped inside the package.

These are ONNX networks with their licences, the face template, the default bundle, and portraits in the public domain.
"""

from pathlib import Path

FOLDER = Path(__file__).parent


def asset(name: str) -> Path:
    """The path of the embedded file or folder ``name``."""
    return FOLDER / name


def portraits() -> dict[Path, str]:
    """The bundled portraits by path, and the name of the person on each; empty if they are not installed.

    `examples/README.md` says where they are from.
    """
    import csv

    folder = FOLDER / "portraits"
    if not folder.is_dir():  # an editable installation of a checkout
        folder = FOLDER.parents[2] / "examples"
    table = folder / "portraits.csv"
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {folder / row["file"]: row["name"] for row in csv.DictReader(file)}
