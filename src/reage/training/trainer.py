"""The one loop: steps, schedule, averaged weights, validation, samples and checkpoints, for every family."""

from __future__ import annotations

import contextlib
import copy
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from reage.errors import ConfigError
from reage.files import atomic_path
from reage.sheets import save_sheet
from reage.training.checkpoint import (
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from reage.training.config import TrainSettings
from reage.training.families import Family, Player, family_type


class Trainer:
    """A run in a folder: ``settings.json``, ``checkpoint.safetensors``, ``weights.safetensors``, ``log.jsonl``,
    ``samples/``. The state of step n depends on the settings alone, so a resumed run repeats an uninterrupted one.
    """

    def __init__(self, settings: TrainSettings, folder: Path, *, resume: bool = False) -> None:
        self.settings = settings
        self.folder = folder
        if (folder / "checkpoint.safetensors").exists() and not resume:
            raise ConfigError(
                f"{folder} holds a run already; pass --resume, or choose another folder with -o"
            )
        torch.manual_seed(settings.seed)
        self.accelerator = Accelerator(mixed_precision=settings.precision, cpu=not torch.cuda.is_available())
        self.family: Family = family_type(settings.family)(settings, self.accelerator.autocast)
        networks = self.family.networks
        if settings.start_from:
            load_weights(settings.start_from / "weights.safetensors", networks)
        for net in networks.values():
            net.to(self.accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averages = {name: copy.deepcopy(networks[name]) for name in self.family.averaged}
        self.optimisers = {player.name: self._optimiser(player) for player in self.family.players}
        self.step = 0
        self.stopping = False
        if resume:
            self._resume()

    def run(self) -> None:
        """Train to the last step, or until a signal asks to stop; either way the run can be resumed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.folder / "settings.json") as path:
            path.write_text(self.settings.model_dump_json(indent=2))
        last_save = time.monotonic()
        with self._signals(), self._progress() as advance:
            while self.step < self.settings.steps and not self.stopping:
                figures = self._step()
                self.step += 1
                advance(figures)
                if self.step % self.settings.sample_every == 0 or self.step == self.settings.steps:
                    self._look()
                if time.monotonic() - last_save > self.settings.checkpoint_minutes * 60:
                    self.save()
                    last_save = time.monotonic()
            self.save()

    def save(self) -> None:
        """Write the checkpoint, and the weights that export and other runs read."""
        about = {"step": self.step, "family": self.settings.family}
        save_checkpoint(self.folder / "checkpoint.safetensors", self._stored(), self.optimisers, about)
        save_weights(self.folder / "weights.safetensors", self._shown(), about)

    def _resume(self) -> None:
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            raise ConfigError(f"{self.folder} has no checkpoint to resume from")
        self.step = int(load_checkpoint(path, self._stored(), self.optimisers)["step"])

    def _stored(self) -> dict[str, nn.Module]:
        return {**self.family.networks, **{f"average.{name}": net for name, net in self.averages.items()}}

    def _shown(self) -> dict[str, nn.Module]:
        """The networks to look at: averaged where there is an average."""
        return {**self.family.networks, **self.averages}

    def _optimiser(self, player: Player) -> torch.optim.Optimizer:
        parameters = [p for name in player.networks for p in self.family.networks[name].parameters()]
        return torch.optim.AdamW(
            parameters, player.learning_rate, betas=player.betas, weight_decay=player.weight_decay, eps=1e-8
        )

    def _step(self) -> dict[str, Tensor]:
        # Seeded anew each step: what is random depends on the step, not on how often the run was interrupted.
        torch.manual_seed(self.settings.seed * 1_000_003 + self.step)
        self.family.draw(self.step, self.accelerator.process_index)
        figures: dict[str, Tensor] = {}
        for player in self.family.players:
            figures |= self._move(player)
        for name, average in self.averages.items():
            update_average(average, self.family.networks[name], self.settings.ema, self.step)
        return figures

    def _move(self, player: Player) -> dict[str, Tensor]:
        for name, net in self.family.networks.items():
            net.train()
            net.requires_grad_(name in player.networks)
        optimiser = self.optimisers[player.name]
        for group in optimiser.param_groups:
            group["lr"] = player.learning_rate * self.schedule(self.step)
        loss, figures = player.loss(self.step)
        if not torch.isfinite(loss):
            raise self._diverged(f"the loss of '{player.name}' became {loss.item()}")
        optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        if not torch.isfinite(
            norm
        ):  # a finite loss can have such a gradient; one step along it ruins the weights
            raise self._diverged(f"the gradient of '{player.name}' became {norm.item()}")
        optimiser.step()
        return {f"{player.name}/{k}": v.detach() for k, v in {**figures, "norm": norm}.items()}

    def _diverged(self, what: str) -> ConfigError:
        if (self.folder / "checkpoint.safetensors").exists():
            advice = f"resume from the last checkpoint in {self.folder} with a lower learning rate"
        else:
            advice = f"{self.folder} has no checkpoint yet: start anew with a lower learning rate"
        return ConfigError(f"{what} at step {self.step}; {advice}")

    def schedule(self, step: int) -> float:
        """Factor of the learning rates at ``step``: a linear rise, a plateau, a linear fall to 5 %."""
        settings = self.settings
        rise = min(1.0, (step + 1) / max(1, settings.warmup))
        done = step / settings.steps
        fall = min(1.0, (1 - done) / max(1e-9, 1 - settings.decay_from))
        return rise * max(0.05, fall)

    def _look(self) -> None:
        """Validation figures and a sample sheet, with the averaged weights."""
        shown = self._shown()
        modes = {name: net.training for name, net in shown.items()}
        for net in shown.values():
            net.eval()
        self._log({"validation": self.family.validate(shown)})
        sheet = self.family.sheet(shown)
        if sheet is not None:
            save_sheet(
                sheet.cells, self.folder / "samples" / f"step{self.step:06d}.png", sheet.rows, sheet.columns
            )
        for name, net in shown.items():
            net.train(modes[name])

    def _log(self, entry: dict[str, Any]) -> None:
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, "time": round(time.time(), 1), **entry}) + "\n")

    @contextmanager
    def _progress(self) -> Iterator[Any]:
        settings, sums, count = self.settings, dict[str, float](), 0
        started = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[note]}"), refresh_per_second=1) as bar:
            task = bar.add_task(settings.family, total=settings.steps, completed=self.step, note="")

            def advance(figures: dict[str, Tensor]) -> None:
                nonlocal count, started
                for key, value in figures.items():
                    sums[key] = sums.get(key, 0.0) + float(value)
                count += 1
                bar.update(task, completed=self.step)
                if self.step % settings.log_every == 0:
                    rate = count * settings.batch / (time.monotonic() - started)
                    self._log(
                        {k: round(v / count, 5) for k, v in sums.items()}
                        | {"images_per_second": round(rate, 1)}
                    )
                    bar.update(task, note=f"{rate:.0f} images/s")
                    sums.clear()
                    count, started = 0, time.monotonic()

            yield advance

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C end the run after the step under way, with a checkpoint."""

        def stop(number: int, frame: object) -> None:
            self.stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


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


def describe(settings: TrainSettings) -> str:
    """The resolved settings, and the parameters of each network, as text."""
    family = family_type(settings.family)(settings, contextlib.nullcontext)
    sizes = [
        f"{name}: {sum(p.numel() for p in net.parameters()) / 1e6:.2f} million parameters"
        for name, net in family.networks.items()
    ]
    return "\n".join([settings.model_dump_json(indent=2), *sizes])
