"""One step of training: the players' moves, their optimisers, precision, gradients and averaged weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from reage.data.sampling import Share
from reage.errors import ConfigError
from reage.training.config import TrainSettings
from reage.training.families import Family, Player

FP16_PATIENCE = 20
"""Steps in a row that half precision may skip while its loss scale finds its place."""


class Diverged(ConfigError):  # noqa: N818 (what happened, not a mistake in a call)
    """A loss or a gradient that is not finite; the step was not taken."""


class Stepper:
    """Takes the steps of a run: what it does at step n depends on the settings, n and the state alone.

    ``optimisers`` by player and ``averages`` of the networks that the family has averaged belong in a checkpoint.
    """

    def __init__(self, settings: TrainSettings, family: Family, accelerator: Accelerator) -> None:
        self._settings = settings
        self._family = family
        self._accelerator = accelerator
        networks = family.networks
        self.averages = {name: copy.deepcopy(networks[name]) for name in family.averaged}
        self.optimisers = {player.name: _optimiser(player, networks) for player in family.players}
        self._prepared = {name: accelerator.prepare_optimizer(each) for name, each in self.optimisers.items()}
        self._skipped = dict.fromkeys(self.optimisers, 0)

    @property
    def shares(self) -> int:
        """Into how many batches the faces of a step are cut: accumulated, and over processes."""
        return self._settings.accumulate * int(self._accelerator.num_processes)

    def take(self, step: int) -> dict[str, Tensor]:
        """Every player's move at ``step``; returns their figures. Raises `Diverged`."""
        # Seeded anew each step: what is random depends on the step, not on how often the run was interrupted.
        torch.manual_seed(self._settings.seed * 1_000_003 + step)
        first = self._settings.accumulate * self._accelerator.process_index
        batches = [
            self._family.draw(step, Share(first + i, self.shares)) for i in range(self._settings.accumulate)
        ]
        figures: dict[str, Tensor] = {}
        for player in self._family.players:
            for _ in range(player.moves):
                figures |= self._move(player, batches, step)
        for name, average in self.averages.items():
            update_average(average, self._family.networks[name], self._settings.ema, step)
        return figures

    def schedule(self, step: int) -> float:
        """Factor of the learning rates at ``step``: a linear rise, a plateau, a linear fall to 5 %."""
        settings = self._settings
        rise = min(1.0, (step + 1) / max(1, settings.warmup))
        done = step / settings.steps
        fall = min(1.0, (1 - done) / max(1e-9, 1 - settings.decay_from))
        return rise * max(0.05, fall)

    def _move(self, player: Player, batches: Sequence[Any], step: int) -> dict[str, Tensor]:
        for name, net in self._family.networks.items():
            net.train()
            net.requires_grad_(name in player.networks)
        if step < player.starts:
            with torch.no_grad():  # for what the other players take from this one's pass
                for batch in batches:
                    player.loss(batch, step)
            return {}
        optimiser = self._prepared[player.name]
        for group in optimiser.param_groups:
            group["lr"] = player.learning_rate * self.schedule(step)
        optimiser.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for batch in batches:
            loss, figures = player.loss(batch, step)
            self._accelerator.backward(loss / len(batches))
            for key, value in {"loss": loss, **figures}.items():
                sums[key] = sums.get(key, 0) + value.detach() / len(batches)
        parameters = [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        self._average_gradients(parameters)
        self._accelerator.unscale_gradients(optimiser)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self._settings.clip)
        self._refuse_divergence(player.name, sums["loss"], norm)
        optimiser.step()
        return {f"{player.name}/{key}": value for key, value in {**sums, "norm": norm}.items()}

    def _average_gradients(self, parameters: list[nn.Parameter]) -> None:
        # Not DistributedDataParallel: its hooks want one forward and one backward pass of a wrapped module,
        # and here players take turns, networks are passed through twice, and critics answer several questions.
        if self._accelerator.num_processes == 1:
            return
        flat = torch.cat([p.grad.flatten() for p in parameters])  # type: ignore[union-attr]
        flat = self._accelerator.reduce(flat, "mean")
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def _refuse_divergence(self, player: str, loss: Tensor, norm: Tensor) -> None:
        # A finite loss can have a gradient that is not, and one step along it ruins the weights.
        loss = self._accelerator.reduce(loss, "mean")
        if not torch.isfinite(loss):
            raise Diverged(f"the loss of '{player}' became {loss.item()}")
        if torch.isfinite(norm):
            self._skipped[player] = 0
            return
        self._skipped[player] += 1  # in half precision the scaler leaves the step out, and lowers its scale
        if self._accelerator.scaler is None or self._skipped[player] > FP16_PATIENCE:
            raise Diverged(f"the gradient of '{player}' became {norm.item()}")


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


def usable_precision(wanted: str) -> str:
    """``wanted`` as `accelerate` calls it; full precision where the device lacks it.

    float16 needs a GPU; bfloat16 works on any CPU, and doubles the speed of those that compute in it.
    """
    gpu = torch.cuda.is_available()
    lacking = {
        "fp32": True,
        "fp16": not gpu,
        "bf16": gpu and not torch.cuda.is_bf16_supported(including_emulation=False),
    }
    return "no" if lacking[wanted] else wanted


def _optimiser(player: Player, networks: dict[str, nn.Module]) -> torch.optim.Optimizer:
    parameters = [p for name in player.networks for p in networks[name].parameters()]
    return torch.optim.AdamW(
        parameters, player.learning_rate, betas=player.betas, weight_decay=player.weight_decay, eps=1e-8
    )
