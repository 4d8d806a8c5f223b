"""Files shipped inside the package: ONNX networks with their licences, the face template, the default bundle, and
portraits in the public domain."""

import csv
from pathlib import Path

FOLDER = Path(__file__).parent


def asset(name: str) -> Path:
    """Path of the embedded file ``name``."""
    return FOLDER / name


def portraits() -> dict[Path, str]:
    """The bundled portraits and who is on them; `examples/README.md` says where they are from."""
    folder = FOLDER / "portraits"
    if not folder.is_dir():  # a checkout that is installed as it stands
        folder = FOLDER.parents[2] / "examples"
    table = folder / "portraits.csv"
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {folder / row["file"]: row["name"] for row in csv.DictReader(file)}
