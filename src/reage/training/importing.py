"""Import: published checkpoints of other projects become bundles."""

from __future__ import annotations

from pathlib import Path

from reage.errors import ConfigError
from reage.training.aging_gan import aging_gan_exported, read_aging_gan
from reage.training.export import write_exported


def import_aging_gan(path: Path, output: Path, *, size: int, name: str) -> float:
    """Write the bundle ``output`` from a ``best.pth`` of the aging-gan project, with its weights in full precision.

    Args:
        path: the checkpoint.
        output: the bundle: a folder, or a file ending in .zip.
        size: side of the faces that it will be given, in pixels; a multiple of 4.
        name: of the model.

    Returns:
        The largest difference between ONNX Runtime and torch, in units of an image in [-1, 1].

    Raises:
        ConfigError: the file is no such checkpoint, or the size does not fit.
        ExistsError: ``output`` exists.
        WriteError: it cannot be written.
    """
    if size % 4:
        raise ConfigError(f"size {size} is not a multiple of 4, which these networks need")
    return write_exported(
        aging_gan_exported(read_aging_gan(path)),
        output,
        name=name,
        version="1",
        family="cyclegan",
        size=size,
        training={"imported_from": path.name, "steps": None},
        halves=False,
    )
