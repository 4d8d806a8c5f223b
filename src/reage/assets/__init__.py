"""Files shipped inside the package: ONNX networks with their licences, the face template, the default bundle."""

from pathlib import Path

FOLDER = Path(__file__).parent


def asset(name: str) -> Path:
    """Path of the embedded file ``name``."""
    return FOLDER / name
