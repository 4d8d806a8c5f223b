"""The settings of the family `delta`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from reage.edit.masks import Reach
from reage.training.config import Ages, Settings, Width


class DeltaOptions(Settings):
    """Settings of the flagship."""

    teachers: tuple[Path, ...] = Field(
        (Path("runs/age"),),
        min_length=1,
        description="Run folders of trained age networks; the critic grows from the trunk of the first.",
    )
    widths: tuple[Width, Width, Width] = Field(
        (48, 96, 160), description="Channels of the U-Net's three levels."
    )
    reach: Reach = Field("face", description="Where edits act: the face, or hair, ears and jaw (head), too.")
    targets: Ages = Field((16, 85), description="Youngest and oldest target age, in years.")
    near: float = Field(0.5, ge=0, le=1, description="Share of targets within 25 years of the source.")
    generator_rate: float = Field(7e-5, gt=0, description="Peak learning rate of the generator.")
    critic_rate: float = Field(4e-4, gt=0, description="Peak learning rate of the critic.")
    texture_rate: float = Field(1e-3, gt=0, description="Peak learning rate of the critic of small patches.")
    critic_updates: int = Field(1, ge=1, description="Updates of the critic for each one of the generator.")
    texture_updates: int = Field(2, ge=1, description="Updates of the critic of small patches, likewise.")
    head_start: int = Field(
        150, ge=0, description="Steps in which the critic alone learns: which face fits which age."
    )
    realism: float = Field(
        1.0, ge=0, description="Weight of the critic's verdict on places: real or painted."
    )
    texture: float = Field(
        1.0, ge=0, description="Weight of the verdict on small patches; 0: no such critic."
    )
    match: float = Field(
        0.5, ge=0, description="Weight of its verdict on the face: of that age and gender or not."
    )
    age: float = Field(0.12, ge=0, description="Weight of the teachers' age loss at the start.")
    age_end: float | None = Field(None, ge=0, description="Its weight at the end; default: the same.")
    change: float = Field(1.0, ge=0, description="Weight of the mean change.")
    tone: float = Field(
        30.0,
        ge=0,
        description="Weight of the mean squared change of broad areas of the face: smears, not lines.",
    )
    excess: float = Field(
        3000.0, ge=0, description="Weight of the mean squared excess of that change over 0.12: dark strokes."
    )
    gain: float = Field(0.05, ge=0, description="Weight of the mean squared detail gain.")
    smooth: float = Field(0.1, ge=0, description="Weight of the total variation of the delta.")
    mismatch: float = Field(0.3, ge=0, description="Weight of real faces shown with a wrong age or gender.")
    r1: float = Field(0.05, ge=0, description="Weight of the critic's gradient penalty.")
    r1_every: int = Field(16, ge=1, description="Steps between gradient penalties.")
    translate: float = Field(0.0, ge=0, le=0.25, description="Largest shift of what the critic sees.")
