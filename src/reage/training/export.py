"""Export: a trained run becomes a bundle of ONNX networks, checked against torch."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from reage.bundle import Bundle, open_bundle, refuse_existing_bundle, write_bundle
from reage.errors import ConfigError
from reage.hub.models import open_model
from reage.manifest import Manifest
from reage.training.families import Exported, family_type
from reage.training.trained import is_trained, open_trained

TOLERANCE = 1e-4
"""Largest difference allowed between ONNX Runtime and torch, in units of an image in [-1, 1]."""


def export_run(
    run: Path,
    output: Path,
    *,
    name: str,
    version: str = "1",
    card: Path | None = None,
    best: bool = True,
    calibrated: bool = False,
    int8: bool = False,
) -> float:
    """Write a bundle from a run folder.

    Args:
        run: the run folder, or a file of weights or a checkpoint in it.
        output: the bundle to write: a folder, or a file ending in .zip.
        name: of the model.
        version: of the model.
        card: a model card to enclose; by default a short one is made from the settings.
        best: whether to take the weights of the best epoch; if not, or if no epoch has ended, the latest are taken.
        calibrated: whether to measure which target age must be given to the network for the age asked for to show, and
            put that in the bundle. This needs the cache and the teachers of the run.
        int8: whether the networks compute in 8 bits, as `reage.training.quantising` says.

    Returns:
        The largest difference between ONNX Runtime and torch, in units of an image in [-1, 1].

    Raises:
        ConfigError: the run cannot be read, its family makes no pictures, or ONNX Runtime differs from torch.
        ExistsError: ``output`` exists.
        WriteError: it cannot be written.
    """
    refuse_existing_bundle(output)  # before the work, not after it
    trained = open_trained(run, best=best)
    exported, settings = trained.exported, trained.settings
    if settings is None:
        raise ConfigError(f"{run}: a checkpoint of the aging-gan project; use `reage import aging-gan`")
    figures = {}
    if calibrated:
        found = family_type(settings.family)(settings).calibrated(exported.networks)
        if found is None:
            raise ConfigError(f"the family {settings.family} cannot be calibrated: it has no teachers of age")
        exported.calibration = found.table
        figures = {
            "calibration": {
                "years_off_before": round(found.before, 2),
                "years_off_after": round(found.after, 2),
            }
        }
    return write_exported(
        exported, output, name=name, version=version, family=trained.family, size=trained.size,
        training=trained.training, figures=figures, card=card, int8=int8,
    )  # fmt: skip


@contextmanager
def opened_bundle(place: Path | str | None) -> Iterator[Bundle]:
    """Open a model wherever it is, while the block runs, for networks that are yet to be exported, too.

    Args:
        place: as in `reage.hub.models.open_model`, or as in `open_trained`, of which a bundle is made for this long.

    Raises:
        BundleError: as `open_model`; `ConfigError`, as `export_run`.
    """
    if not isinstance(place, Path) or not is_trained(place):
        yield open_model(place)
        return
    trained = open_trained(place)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / trained.name
        write_exported(
            trained.exported, bundle, name=trained.name, version="1", family=trained.family, size=trained.size,
            training=trained.training, halves=trained.settings is not None,
        )  # fmt: skip
        yield open_bundle(bundle)


def write_exported(
    exported: Exported,
    output: Path,
    *,
    name: str,
    version: str,
    family: str,
    size: int,
    training: dict[str, Any],
    figures: dict[str, Any] | None = None,
    card: Path | None = None,
    halves: bool = True,
    int8: bool = False,
) -> float:
    """Write networks for faces of ``size`` px as the bundle ``output``.

    ``family`` and ``training`` are put in the manifest, ``halves`` stores the weights in half precision; for everything
    else see `export_run`.
    """
    refuse_existing_bundle(output)
    enclosed = _read_card(card)  # before the work, not after it
    contents, worst, files = {}, 0.0, {}
    for way, network in exported.graphs.items():
        files[way] = "generator.onnx" if way == "any" else f"{way}.onnx"
        contents[files[way]], difference = export_network(network, exported, size, halves=halves)
        worst = max(worst, difference)
    if worst > TOLERANCE:
        raise ConfigError(f"{name}: ONNX Runtime differs from torch by {worst:.1e}; nothing was written")
    figures = {"onnx_torch_max_abs_difference": worst, **(figures or {})}
    if int8:
        from reage.training.quantising import quantised  # slow to import

        for way, file in files.items():
            contents[file], off = quantised(contents[file], exported, size)
            figures.setdefault("eight_bits", {})[way] = off
    manifest = Manifest(
        name=name,
        version=version,
        family=family,
        size=size,
        networks=files,
        inputs=exported.inputs,
        outputs=exported.outputs,
        source_ages=exported.source_ages,
        target_ages=exported.target_ages,
        full_ages=exported.full_ages,
        reach=exported.reach,
        zoom=exported.zoom,
        calibration=exported.calibration,
        data=exported.data,
        teachers=exported.teachers,
        training=training,
        figures=figures,
        licence=exported.licence,
    )
    contents["MODEL_CARD.md"] = (enclosed or _card(manifest)).encode()
    write_bundle(output, manifest, contents)
    return worst


def export_network(
    network: nn.Module, exported: Exported, size: int, *, halves: bool = True
) -> tuple[bytes, float]:
    """Convert one network to ONNX, for batches of any size.

    With ``halves``, the weights are rounded to half precision, in ``network`` too, and stored so; all arithmetic stays
    in float32.

    Returns:
        The bytes of the ONNX file, and its largest difference from torch on random faces.
    """
    network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if halves:
        with torch.no_grad():
            for weight in network.parameters():
                weight.copy_(weight.half())
    example = _example(exported, size, 2)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            tuple(example.values()),
            str(path),
            input_names=exported.inputs,
            output_names=exported.outputs,
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in exported.inputs),
            opset_version=18,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(path)
        graph = _store_halves(model) if halves else bytes(model.SerializeToString())
    return graph, _difference(network, graph, exported, size)


def _store_halves(model: onnx.ModelProto) -> bytes:
    """Store large float32 weights as float16, each followed by a Cast: half the bytes, the same results."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 256:
            continue
        if not np.array_equal(values.astype(np.float16).astype(np.float32), values):
            continue  # a batch norm was folded into it: no longer the half that the network has
        name, stored = weight.name, f"{weight.name}.half"
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    del model.graph.value_info[:]  # they would still give the weights' old types
    return bytes(model.SerializeToString())


def _difference(network: nn.Module, graph: bytes, exported: Exported, size: int) -> float:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in (1, 3):
        inputs = _example(exported, size, batch)
        with torch.no_grad():
            expected: Any = network(*inputs.values())
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = session.run(exported.outputs, {key: value.numpy() for key, value in inputs.items()})
        for ours, theirs in zip(found, expected, strict=True):
            worst = max(worst, float(np.abs(ours - theirs.numpy()).max()))
    return worst


def _example(exported: Exported, size: int, batch: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(batch)
    shape = (batch, 3, size, size)
    everything = {
        "face": torch.rand(shape, generator=draw) * 2 - 1,
        "source_age": torch.rand(batch, generator=draw) * 70 + 16,
        "target_age": torch.rand(batch, generator=draw) * 70 + 16,
        "male": torch.rand(batch, generator=draw).round(),
    }
    return {name: everything[name] for name in exported.inputs}


def _read_card(card: Path | None) -> str | None:
    try:
        return card.read_text() if card else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{card}: not a readable model card: {error}") from error


def _card(manifest: Manifest) -> str:
    steps = manifest.training["steps"]
    return (
        f"# {manifest.title}\n\nFamily `{manifest.family}`, {manifest.size} px"
        f"{', ' + str(steps) + ' steps' if steps else ''}.\n\nData: {manifest.data}\n\nLicence: {manifest.licence}\n\n"
        "The output is a plausible edit, not evidence of how a person looked or will look.\n"
    )
