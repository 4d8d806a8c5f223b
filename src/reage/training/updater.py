"""One training step, from drawn faces to updated weights: read `Updater.update` from top to bottom."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from reage.data.sampling import Shard
from reage.errors import ConfigError
from reage.training.config import TrainSettings

if TYPE_CHECKING:
    from reage.training.families import Family

FP16_PATIENCE = 20
"""Steps in a row that half precision may skip while its loss scale is being found."""

Loss = Callable[[Any, int], tuple[Tensor, dict[str, Tensor]]]


@dataclass
class Objective:
    """A loss, and the networks that minimise it with an Adam optimiser of their own: those of the generator, say.

    ``loss(drawn, step)`` takes what `Family.draw` returned, and returns the scalar to minimise, a mean over the batch,
    and figures for the log. The networks of other objectives are held fixed meanwhile: they get no gradient.
    """

    name: str
    networks: list[str]
    loss: Loss
    learning_rate: float
    """Its peak; `Updater.learning_rate_factor` scales it."""
    betas: tuple[float, float] = (0.0, 0.99)
    weight_decay: float = 0.0
    l2: bool = False
    """Whether weight decay is added to the gradient, as in Adam; if not, it is applied to the weights, as in AdamW."""
    starts: int = 0
    """The first step that updates its networks. Until then its loss is computed all the same, without gradients, since
    other objectives take from it what it leaves in ``drawn``, such as the generated faces."""
    updates: int = 1
    """Updates of its networks in one step, one after the other, on the same drawn faces."""


class Diverged(ConfigError):  # noqa: N818 (what happened, not a mistake in a call)
    """A loss or a gradient is not finite; the networks were not updated."""


class Updater:
    """Takes the steps of a run: what it does at step n depends on the settings, n and the state alone.

    The state that belongs in a checkpoint, beside the family's: ``optimisers`` by objective, and ``averages``, the
    exponential moving averages of the networks that the family wants averaged, and in half precision the ``scaler``
    of losses.

    Precision is the Updater's own and not `accelerate`'s, which has one precision for all runs of a Python process.
    """

    def __init__(self, settings: TrainSettings, family: Family, accelerator: Accelerator) -> None:
        self._settings = settings
        self._family = family
        self._accelerator = accelerator
        networks = family.networks
        self.averages = {name: copy.deepcopy(networks[name]) for name in family.averaged}
        self.optimisers = {each.name: _optimiser(each, networks) for each in family.objectives}
        self.scaler: torch.amp.GradScaler | None = None
        if usable_precision(settings.precision) == "fp16":
            self.scaler = torch.amp.GradScaler(accelerator.device.type)
        self._skipped = dict.fromkeys(self.optimisers, 0)

    @property
    def shards(self) -> int:
        """Number of equal parts of the faces of a step: accumulated batches times processes."""
        return self._settings.accumulate * int(self._accelerator.num_processes)

    def update(self, step: int) -> dict[str, Tensor]:
        """Take the training step number ``step``; returns the figures of its objectives. Raises `Diverged`.

        1. Faces, and everything else that is random, are drawn from (seed, step).
        2. For each objective in turn, generator before critic, as often as its ``updates`` say: gradients of its loss
           are added up over the accumulated batches, averaged over processes and clipped, and its optimiser updates
           its networks at the scheduled learning rate.
        3. The averaged weights follow the networks.
        """
        # Seeded anew each step: what is random depends on the step, not on how often the run was interrupted.
        torch.manual_seed(self._settings.seed * 1_000_003 + step)
        first = self._settings.accumulate * self._accelerator.process_index
        batches = [
            self._family.draw(step, Shard(first + i, self.shards)) for i in range(self._settings.accumulate)
        ]
        figures: dict[str, Tensor] = {}
        for objective in self._family.objectives:
            for _ in range(objective.updates):
                figures |= self._minimise(objective, batches, step)
        for name, average in self.averages.items():
            update_average(average, self._family.networks[name], self._settings.ema, step)
        return figures

    def _minimise(self, objective: Objective, batches: Sequence[Any], step: int) -> dict[str, Tensor]:
        """Update the networks of ``objective`` once, on all of ``batches``; returns its figures, means over these."""
        for name, net in self._family.networks.items():
            net.train()
            net.requires_grad_(name in objective.networks)
        if step < objective.starts:
            with torch.no_grad():
                for batch in batches:
                    objective.loss(batch, step)
            return {}
        optimiser = self.optimisers[objective.name]
        for group in optimiser.param_groups:
            group["lr"] = objective.learning_rate * self.learning_rate_factor(step)
        optimiser.zero_grad(set_to_none=True)
        means: dict[str, Tensor] = {}
        for batch in batches:
            loss, figures = objective.loss(batch, step)
            mean = loss / len(batches)
            (mean if self.scaler is None else self.scaler.scale(mean)).backward()  # type: ignore[no-untyped-call]
            for key, value in {"loss": loss, **figures}.items():
                means[key] = means.get(key, 0) + value.detach() / len(batches)
        parameters = [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        self._average_over_processes(parameters)
        if self.scaler is not None:
            self.scaler.unscale_(optimiser)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self._settings.clip or math.inf)
        self._require_finite(objective.name, means["loss"], norm)
        if self.scaler is None:
            optimiser.step()
        else:
            self.scaler.step(optimiser)
            self.scaler.update()
        return {f"{objective.name}/{key}": value for key, value in {**means, "norm": norm}.items()}

    def learning_rates(self, step: int) -> dict[str, float]:
        """The learning rate of each objective at ``step``, by names such as ``critic/learning_rate``."""
        factor = self.learning_rate_factor(step)
        return {
            f"{each.name}/learning_rate": float(f"{each.learning_rate * factor:.5g}")
            for each in self._family.objectives
        }

    def learning_rate_factor(self, step: int) -> float:
        """The factor of all learning rates at ``step``: a linear rise, a plateau, a linear fall."""
        settings = self._settings
        rise = min(1.0, (step + 1) / max(1, settings.warmup))
        done = step / settings.steps
        fall = min(1.0, (1 - done) / max(1e-9, 1 - settings.decay_from))
        return rise * max(settings.decay_to, fall)

    def _average_over_processes(self, parameters: list[nn.Parameter]) -> None:
        # Not DistributedDataParallel: its hooks want one forward and one backward pass of a wrapped module,
        # and here objectives take turns, networks are passed through twice, and critics answer several questions.
        if self._accelerator.num_processes == 1:
            return
        flat = torch.cat([p.grad.flatten() for p in parameters])  # type: ignore[union-attr]
        flat = self._accelerator.reduce(flat, "mean")
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def _require_finite(self, objective: str, loss: Tensor, norm: Tensor) -> None:
        # A finite loss can have a gradient that is not, and one step along it ruins the weights.
        loss = self._accelerator.reduce(loss, "mean")
        if not torch.isfinite(loss):
            raise Diverged(f"the loss of '{objective}' became {loss.item()}")
        if torch.isfinite(norm):
            self._skipped[objective] = 0
            return
        self._skipped[objective] += (
            1  # in half precision the scaler leaves the step out, and lowers its scale
        )
        if self.scaler is None or self._skipped[objective] > FP16_PATIENCE:
            raise Diverged(f"the gradient of '{objective}' became {norm.item()}")


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """``average <- d * average + (1 - d) * network`` with ``d = min(decay, (1 + step) / (10 + step))``.

    The ramp keeps the random weights of the start out of it. Counters (integer buffers) are copied.
    """
    rate = 1 - min(decay, (1 + step) / (10 + step))
    theirs = network.state_dict()
    for name, ours in average.state_dict().items():
        if ours.is_floating_point():
            ours.lerp_(theirs[name], rate)
        else:
            ours.copy_(theirs[name])


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """Makes a context of mixed ``precision``, or of fp32 if ``device`` does not support it."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(usable_precision(precision))
    return nullcontext if dtype is None else partial(torch.autocast, device.type, dtype=dtype)


def usable_precision(wanted: str) -> str:
    """``wanted``, one of fp32, bf16 and fp16, or fp32 where the device lacks it.

    float16 needs a GPU; bfloat16 works on any CPU, and doubles the speed of those that compute in it.
    """
    gpu = torch.cuda.is_available()
    lacking = {
        "fp32": False,
        "fp16": not gpu,
        "bf16": gpu and not torch.cuda.is_bf16_supported(including_emulation=False),
    }
    return "fp32" if lacking[wanted] else wanted


def _optimiser(objective: Objective, networks: dict[str, nn.Module]) -> torch.optim.Optimizer:
    parameters = [p for name in objective.networks for p in networks[name].parameters()]
    kind = torch.optim.Adam if objective.l2 else torch.optim.AdamW
    return kind(
        parameters,
        objective.learning_rate,
        betas=objective.betas,
        weight_decay=objective.weight_decay,
        eps=1e-8,
    )
