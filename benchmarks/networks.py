"""Draws the networks of each version of `latent-cgan`, from the modules themselves, into docs/networks/.

`python benchmarks/networks.py` builds them from the recipes, passes a face of 64 px through, and draws what is called
on the way: a column for each network, a box for each layer, with the shape of what it puts out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import click
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from reage.files import writing
from reage.networks.conditioning import AgeFeatures, FiLM
from reage.networks.latent_cgan import build_networks
from reage.networks.layers import GatedReLU, SelfAttention
from reage.training.config import load_recipe, validate
from reage.training.families.latent_options import LatentOptions, latent_shape

HERE = Path(__file__).parent
RECIPES = HERE.parent / "recipes"
DOCS = HERE.parent / "docs" / "networks"
SIZE = 64
VERSIONS = {
    "1.0": ("latent-cgan-founding", ["options.conditional=false"]),
    "1.1": ("latent-cgan-founding", []),
    "2.1": ("latent-cgan-founding", ["options.gated_blocks=generator"]),
    "2.2": ("latent-cgan-founding", ["options.gated_blocks=all"]),
    "improved": ("latent-cgan", []),
    "caae": ("caae", []),
}
TITLES = {
    "encoder": "E, the encoder", "age_embedding": "A, the age embedding", "generator": "G, the generator",
    "discriminator": "D, the discriminator", "latent_discriminator": "Z, the discriminator of latents",
}  # fmt: skip
BLOCKS: dict[type[nn.Module], tuple[str, str]] = {
    GatedReLU: ("gated ReLU block", "#f6c98f"),
    SelfAttention: ("self-attention", "#cdb5ee"),
    FiLM: ("FiLM: scaled and shifted by the age", "#a9dcc3"),
    AgeFeatures: ("features of the age", "#a9dcc3"),
}
"""Modules that are drawn as one box, with the words for them and their colours."""
PLAIN, FLOW = "#d6e4f5", "#ffffff"
WIDTH, HEIGHT, GAP, COLUMN, TOP = 250, 34, 10, 280, 56
"""Of boxes and between them, of columns, and above them, in px."""


@dataclass
class Box:
    """A layer: what it is, what follows it before the next layer, and the shape of what comes out."""

    text: str
    shape: str
    colour: str = PLAIN
    then: list[str] = field(default_factory=list)


class Recorder(TorchFunctionMode):
    """Records the layers that are called while it is active, those inside of `BLOCKS` as one box each."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.boxes: list[Box] = []
        self._inside = 0
        for module in network.modules():
            if type(module) in BLOCKS:
                module.register_forward_pre_hook(self._enter)
                module.register_forward_hook(self._leave)

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._inside += 1

    def _leave(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self._inside -= 1
        text, colour = BLOCKS[type(module)]
        self.boxes.append(Box(text, shape_of(output), colour))

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = function(*args, **(kwargs or {}))
        if not self._inside:
            self._record(function, args, output)
        return output

    def _record(self, function: Callable[..., Any], args: Any, output: Any) -> None:
        name = getattr(function, "__name__", "")
        if name in LAYERS:
            self.boxes.append(Box(LAYERS[name](*args), shape_of(output)))
        elif name in FOLLOWERS and self.boxes:
            self.boxes[-1].then.append(FOLLOWERS[name])


def _convolution(x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, *rest: Any) -> str:
    stride = stride if isinstance(stride, int) else stride[0]
    return f"convolution {weight.shape[2]}x{weight.shape[3]}" + (f", stride {stride}" if stride > 1 else "")


def _transposed(x: Tensor, weight: Tensor, *rest: Any) -> str:
    return f"transposed convolution {weight.shape[2]}x{weight.shape[3]}, stride 2"


LAYERS: dict[str, Callable[..., str]] = {
    "conv2d": _convolution,
    "conv_transpose2d": _transposed,
    "linear": lambda x, weight, *rest: f"dense {weight.shape[0]}",
    "adaptive_avg_pool2d": lambda *rest: "mean over all places",
    "cat": lambda parts, *rest: (
        ("joined with the skip: " if parts[0].dim() == 4 else "joined: ")
        + " + ".join(str(part.shape[1]) for part in parts)
    ),
}
FOLLOWERS = {
    "leaky_relu": "LeakyReLU", "relu": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid", "batch_norm": "batch norm",
    "group_norm": "group norm",
}  # fmt: skip


def shape_of(output: Tensor) -> str:
    """The shape of a tensor without its batch, such as ``64 x 8 x 8``."""
    return " x ".join(str(number) for number in output.shape[1:]) or "1"


def recorded(network: nn.Module, inputs: tuple[Any, ...]) -> tuple[list[Box], Any]:
    """The layers that ``inputs`` pass through, and what comes out."""
    recorder = Recorder(network)
    with torch.no_grad(), recorder:
        output = network.eval()(*inputs)
    return recorder.boxes, output


def columns(recipe: str, overrides: list[str]) -> dict[str, list[Box]]:
    """For each network of a version its boxes from top to bottom: what goes in, its layers, what comes out."""
    options = validate(LatentOptions, load_recipe(RECIPES / f"{recipe}.yaml", overrides).options, recipe)
    networks = build_networks(latent_shape(options, SIZE))
    face, age = torch.zeros(1, 3, SIZE, SIZE), torch.full((1,), 40.0)
    drawn: dict[str, list[Box]] = {}
    layers, (latent, maps) = recorded(networks["encoder"], (face,))
    code = Box(f"latent: {shape_of(latent)}", "", FLOW)
    pictured = Box(f"face: {shape_of(face)}", "", FLOW)
    drawn["encoder"] = [pictured, *layers, code]
    embedded, known = None, [code]
    if "age_embedding" in networks:
        layers, embedded = recorded(networks["age_embedding"], (age,))
        known.append(Box(f"embedded age: {shape_of(embedded)}", "", FLOW))
        drawn["age_embedding"] = [Box("age in years", "", FLOW), *layers, known[-1]]
    layers, _ = recorded(networks["generator"], (latent, embedded, maps))
    drawn["generator"] = [*known, *layers, pictured]
    layers, said = recorded(networks["discriminator"], (face,))
    age_head = "dense, sigmoid: age in years" if options.original else "dense: age in years"
    answers = {"dense: logit of being real": said.real, age_head: said.age}
    answers["dense: logits of the years"] = said.age_logits
    heads = [Box(text, str(part[0].numel()), FLOW) for text, part in answers.items() if part is not None]
    drawn["discriminator"] = [pictured, *layers[: -len(heads)], *heads]  # side by side on the layer above
    if "latent_discriminator" in networks:
        layers, _ = recorded(networks["latent_discriminator"], (latent,))
        drawn["latent_discriminator"] = [code, *layers, Box("logit: drawn from the prior?", "1", FLOW)]
    for name, boxes in drawn.items():
        count = sum(p.numel() for p in networks[name].parameters())
        boxes.insert(0, Box(TITLES[name], f"{count:,} parameters", ""))
    return drawn


def picture(version: str, drawn: dict[str, list[Box]]) -> str:
    """The SVG of the networks of one version side by side."""
    tallest = max(len(boxes) for boxes in drawn.values())
    width, height = COLUMN * len(drawn) + GAP, TOP + tallest * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(GAP, 22, f"latent-cgan, {version}: faces of {SIZE} px", 15, weight="bold"),
    ]
    for number, boxes in enumerate(drawn.values()):
        parts += _column(GAP + number * COLUMN, boxes)
    return "\n".join([*parts, "</svg>\n"])


def _column(x: int, boxes: list[Box]) -> Iterable[str]:
    title, *layers = boxes
    yield _text(x, TOP - 8, f"{title.text}: {title.shape}", 12, weight="bold")
    for number, box in enumerate(layers):
        y = TOP + number * (HEIGHT + GAP)
        if number and not (box.colour == FLOW and layers[number - 1].colour == FLOW):
            middle = x + WIDTH // 2
            yield f'<path d="M{middle} {y - GAP}V{y}" stroke="#777777"/>'
        edge = "#999999" if box.colour == FLOW else "none"
        yield (
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{box.colour}" stroke="{edge}"/>'
        )
        yield _text(x + 8, y + (21 if box.colour == FLOW else 14), box.text, 11)
        yield _text(x + 8, y + 28, ", ".join(box.then), 10, fill="#555555")
        yield _text(
            x + WIDTH - 8, y + (21 if box.colour == FLOW else 28), box.shape, 10, anchor="end", fill="#555555"
        )


def _text(
    x: int,
    y: int,
    text: str,
    size: int,
    *,
    anchor: str = "start",
    fill: str = "#111111",
    weight: str = "normal",
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default=DOCS, show_default=True)
def main(output: Path) -> None:
    """Draw every version."""
    output.mkdir(parents=True, exist_ok=True)
    for version, (recipe, overrides) in VERSIONS.items():
        target = output / f"latent-{version}.svg"
        with writing(target) as part:
            part.write_text(picture(version, columns(recipe, overrides)))
        click.echo(f"{target}: written")


if __name__ == "__main__":
    main()
