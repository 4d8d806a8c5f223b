"""Losses of an ageing CycleGAN over sets of faces, under our names and under those of the aging-gan project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor

from reage.training import losses
from reage.training.families.base import Networks
from reage.training.families.cyclegan_options import CycleOptions

Number = TypeVar("Number", float, Tensor)
Verdict = Callable[[Networks, str, Tensor], Tensor]
"""Takes networks, the age that a critic is for, young or old, and faces (B, 3, S, S); returns the critic's logits."""


def losses_of_one_age(networks: Networks, verdict: Verdict, age: str, face: Tensor) -> dict[str, Tensor]:
    """The losses of faces (B, 3, S, S), all ``age``, young or old: means over them, without weights.

    ``cycle``, ``identity`` and ``change`` are L1: of a face after both generators, of one that is of that age already,
    and of an edit. The squares of least-squares losses: ``real`` of the critic on these faces, ``fake`` of the other
    critic on their edits, and ``fooled`` of the generator on these.
    """
    there, back, other = ("older", "younger", "old") if age == "young" else ("younger", "older", "young")
    edited = networks[there](face)
    logits = verdict(networks, other, edited)
    return {
        "cycle": F.l1_loss(networks[back](edited), face),
        "identity": F.l1_loss(networks[back](face), face),
        "change": F.l1_loss(edited, face),
        "real": losses.least_squares_loss(verdict(networks, age, face), 1),
        "fake": losses.least_squares_loss(logits, 0),
        "fooled": losses.least_squares_loss(logits, 1),
    }


def weighted_losses(
    young: Mapping[str, Number], old: Mapping[str, Number], options: CycleOptions
) -> dict[str, Number]:
    """The losses of the generators with their weights, under the names of the aging-gan project.

    ``young`` and ``old`` are what `losses_of_one_age` found of them, of which ``fooled``, ``cycle`` and ``identity``
    are taken.
    """
    return {
        "loss_f_adv": options.adversarial * old["fooled"],
        "loss_g_adv": options.adversarial * young["fooled"],
        "loss_cyc": options.cycle * (young["cycle"] + old["cycle"]),
        "loss_id": options.identity * (young["identity"] + old["identity"]),
    }


def cycle_figures(
    young: Mapping[str, float], old: Mapping[str, float], options: CycleOptions
) -> dict[str, float]:
    """Figures for the log from what `losses_of_one_age` found of ``young`` and of ``old`` faces.

    ``cycle``, ``identity`` and ``change`` are sums of both directions, without weights. Those named ``loss_`` are what
    the aging-gan project calls so: X is young and Y old, G makes older and F younger, DX and DY are the critics.
    """
    weighted = weighted_losses(young, old, options)
    figures = {
        **{name: young[name] + old[name] for name in ("cycle", "identity", "change")},
        "loss_DX": 0.5 * (young["real"] + old["fake"]),
        "loss_DY": 0.5 * (old["real"] + young["fake"]),
        **weighted,
        "loss_gen_total": sum(weighted.values()),
    }
    return {name: round(value, 6) for name, value in figures.items()}
