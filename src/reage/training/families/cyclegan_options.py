"""The settings of the ageing CycleGAN."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from reage.networks.cyclegan import Norm
from reage.training.config import Ages, Betas, Settings


def _rising(turn: tuple[float, float]) -> tuple[float, float]:
    if turn[0] > turn[1]:
        raise ValueError("give the smaller angle first")
    return turn


Angle = Annotated[float, Field(ge=-180, le=180)]
Turn = Annotated[tuple[Angle, Angle], AfterValidator(_rising)]
"""A range of angles in degrees, the smaller first."""


class CycleOptions(Settings):
    """Settings of the ageing CycleGAN."""

    young: Ages = Field((18, 28), description="Ages of the young faces, in years.")
    old: Ages = Field((40, 116), description="Ages of the old faces, in years.")
    full_ages: Ages = Field(
        (23, 55), description="The younger and the older age at which `reage photo` applies the whole edit."
    )
    width: int = Field(32, ge=4, le=4096, description="Channels of the generators' first layer (ngf).")
    blocks: int = Field(9, ge=0, le=1000, description="Residual blocks of each generator.")
    critic_width: int = Field(32, ge=4, le=4096, description="Channels of the critics' first layer (ndf).")
    norm: Norm = Field(
        "instance", description="Normalisation of the networks; the aging-gan project has batch."
    )
    judged: Literal["patches", "faces"] = Field(
        "patches",
        description="What the critics judge: each patch, or, as in aging-gan, each face by the mean of its patches.",
    )
    spectral: bool = Field(False, description="Spectral normalisation in the critics.")
    r1: float = Field(0.0, ge=0, description="Weight of the critics' R1 gradient penalty.")
    replay: int = Field(
        50, ge=0, description="Size of the buffer of past fakes that each critic is shown again; 0: none."
    )
    adversarial: float = Field(1.0, ge=0, description="Weight of the generators' LSGAN loss.")
    cycle: float = Field(
        10.0, ge=0, description="Weight of the cycle loss: L1 after both generators in turn."
    )
    identity: float = Field(
        5.0, ge=0, description="Weight of the identity loss: L1 of a face that is of that age already."
    )
    validation_faces: int = Field(
        32,
        ge=0,
        description="Young faces, and as many old ones, for the losses after each epoch; 0: all. The test takes all.",
    )
    generator_rate: float = Field(2e-4, gt=0, description="Peak learning rate of the generators (Adam).")
    critic_rate: float = Field(2e-4, gt=0, description="Peak learning rate of the critics (Adam).")
    betas: Betas = Field((0.5, 0.999), description="Decay rates of Adam's moments.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of all networks.")
    optimiser: Literal["adamw", "adam"] = Field(
        "adamw",
        description="adamw applies weight decay to the weights; adam adds it to the gradient (L2), as aging-gan.",
    )
    passes: bool = Field(
        False,
        description="Draw every face once before any is drawn again, in a new order in each pass; false: at random.",
    )
    flip: bool = Field(True, description="Mirror half of the faces, left for right.")
    zoom: float = Field(
        1.0, ge=1, le=2, description="Faces are first enlarged about their middle by this factor."
    )
    margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Faces are enlarged to 1 + margin times their side and cropped, in training at a random place.",
    )
    rotation: Turn = Field(
        (-5.0, 5.0), description="Range of the random rotation, in degrees counterclockwise."
    )
    corners: Literal["mirrored", "black"] = Field(
        "mirrored", description="What is shown in the corners that a rotation uncovers; aging-gan has black."
    )
