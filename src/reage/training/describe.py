"""What ``reage train --dry-run`` prints: all settings of a run, and the size of its networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reage.training.cloud.archiving import require_cloud
from reage.training.config import TrainSettings
from reage.training.families import family_type
from reage.training.realism import realism_meters
from reage.training.trainer import resolved
from reage.training.validation import require_best_by


def describe(settings: TrainSettings) -> str:
    """All ``settings``, defaults of the family among them, and each network's parameters and multiply-adds, as text.

    Also how many faces take part. Raises as `Trainer` does.
    """
    require_cloud(settings)
    family = family_type(settings.family)(settings)
    settings = resolved(settings, family)
    lines = [settings.model_dump_json(indent=2)]
    for name, inputs in family.examples().items():
        network = family.networks[name]
        parameters = sum(p.numel() for p in network.parameters())
        macs = multiply_adds(network, inputs)
        lines.append(f"{name}: {parameters / 1e6:.3f} million parameters, {macs / 1e9:.3f} GMAC a face")
    require_best_by(settings, family, realism_meters(settings, family))
    lines += family.census()
    faces = settings.batch * settings.accumulate
    lines.append(f"{settings.steps} steps of {faces} faces of {family.size} px in each process")
    return "\n".join(lines)


@torch.no_grad()
def multiply_adds(network: nn.Module, inputs: tuple[Any, ...]) -> int:
    """Count the multiply-adds of one pass of ``inputs`` in eval mode: those of convolutions and matrix products."""
    training = network.training
    network.eval()
    with FlopCounterMode(display=False) as counter:
        network(*inputs)
    network.train(training)
    return int(counter.get_total_flops()) // 2
