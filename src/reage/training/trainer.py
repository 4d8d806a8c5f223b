"""The training loop of every family: steps, epochs with validation and samples, checkpoints, signals."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from reage.errors import ConfigError, DataError, WriteError
from reage.files import writing
from reage.progress import progress_bar
from reage.sheets import save_sheet
from reage.training.checkpoint import (
    checkpoint_path,
    checkpoints,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from reage.training.cloud.archiving import Archiving, archiving, require_cloud
from reage.training.config import TrainSettings
from reage.training.console import epoch_line, figures_line, losses_line, say
from reage.training.families import Compute, Family, family_type
from reage.training.journal import AverageMeter, Journal, usable_trackers
from reage.training.realism import realism_meters
from reage.training.signals import on_stop_signal
from reage.training.trained import start_from
from reage.training.updater import Diverged, Updater, autocast
from reage.training.validation import best_figure, evaluating, require_best_by


class Trainer:
    """A training run in a folder.

    The folder holds ``settings.json``, ``checkpoints/``, ``weights.safetensors`` (the latest, averaged where there is
    an average), ``best.safetensors``, ``log.jsonl``, ``samples/`` and, at the end, ``metrics/test_metrics.json``.

    The state after n steps depends on the settings alone: a resumed run repeats an uninterrupted one to the bit, and
    several processes repeat one process, but for three things. Each process has its own statistics of batch norm and
    its own replay buffer, of which a checkpoint holds those of the first process, and its own dropout (of ``age``).

    Args:
        settings: of the run.
        folder: is made if it is missing.
        resume: go on from the last checkpoint in the folder.

    Raises:
        ConfigError: a setting does not fit; or the folder holds a run and ``resume`` is not set, or the reverse.
        DataError: the cache cannot be read, or has no faces to train on or to validate on.
    """

    def __init__(self, settings: TrainSettings, folder: Path, *, resume: bool = False) -> None:
        self.folder = folder
        if checkpoints(folder) and not resume:
            raise ConfigError(f"{folder} already contains a run: resume it, or choose another folder")
        require_cloud(settings)
        torch.manual_seed(settings.seed)
        trackers = usable_trackers(settings.trackers)
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            log_with=trackers or None,
            project_dir=str(folder),
        )
        device = self.accelerator.device
        compute = Compute(device, autocast(settings.precision, device))
        self.family: Family = family_type(settings.family)(settings, compute)
        self.settings = resolved(settings, self.family, int(self.accelerator.num_processes))
        self.family.settings = self.settings
        networks = self.family.networks
        if settings.start_from and not resume:
            start_from(settings.start_from, networks)
        for net in (*networks.values(), *self.family.memory.values()):
            net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._meters = realism_meters(self.settings, self.family)
        require_best_by(self.settings, self.family, self._meters)
        self.updater = Updater(self.settings, self.family, self.accelerator)
        self.journal = Journal(folder, self.accelerator)
        self.step = 0
        """Steps taken so far."""
        self.best: dict[str, Any] | None = None
        """The best epoch so far: its ``epoch``, and the ``figure`` that is least in it with its ``value``."""
        self.stopped_by: int | None = None
        """The signal that ended the run early."""
        self._saved_step: int | None = None
        self._archiving = Archiving()
        if resume:
            self._resume()

    # -- the run --

    def run(self) -> None:
        """Train to the last step, or until SIGTERM or Ctrl-C asks to stop, and then leave a checkpoint.

        Raises:
            ConfigError: a loss or gradient is not finite any more, or ``best_by`` names no validation figure, or the
                run has taken more steps than the settings say.
            WriteError: the folder cannot be written.
            ArchiveError: the archive cannot be written at the start; later such failures are warnings.
        """
        if self.step > self.settings.steps:
            raise ConfigError(f"{self.folder} is already at step {self.step} of {self.settings.steps}")
        with archiving(self.settings, self.folder, first=self.accelerator.is_main_process) as self._archiving:
            self._run()

    def _run(self) -> None:
        try:
            self._prepare()
            with on_stop_signal(self.stop):
                self._loop()
            if self.step == self.settings.steps:
                if self.settings.test:
                    self._test()
                if self.accelerator.is_main_process:
                    say("Training finished.")
        except Diverged as error:
            raise ConfigError(f"{error} at step {self.step}; {self._advice()}") from error
        except OSError as error:
            raise WriteError(self.folder, error.strerror or str(error)) from error
        self.journal.finish()
        self._archiving.complete = self.step == self.settings.steps

    def test(self) -> dict[str, Any]:
        """Evaluate the best weights on the test split, or without any, the initial weights.

        Returns:
            What ``metrics/test_metrics.json`` then holds. Nothing else that a run left in the folder changes, but for
            the log, which gets the figures, too.

        Raises:
            ConfigError: there are no weights.
            WriteError: the figures cannot be written.
        """
        resumed = self._saved_step is not None
        if not (resumed or self.settings.start_from or (self.folder / "best.safetensors").exists()):
            raise ConfigError(f"{self.folder} has no weights to test: give a run folder, or set start_from")
        try:
            self._prepare(measured=resumed)
            self._test(again=True)
            self.accelerator.wait_for_everyone()
        except OSError as error:
            raise WriteError(self.folder, error.strerror or str(error)) from error
        self.journal.finish()
        metrics: dict[str, Any] = json.loads(self._metrics.read_text())
        return metrics

    def stop(self, signal_number: int) -> None:
        """Stop the run after the current step."""
        self.stopped_by = signal_number

    def _prepare(self, *, measured: bool = False) -> None:
        """Begin to write into the folder. What a run has left there stays as it is where it is only ``measured``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.accelerator.is_main_process:
            if not measured:
                for leftover in list(self.folder.rglob(".reage-*.part")):  # of a process that was killed
                    leftover.unlink()
                with writing(self.folder / "settings.json") as path:
                    path.write_text(self.settings.model_dump_json(indent=2))
            say("\n".join(self.family.census()))
        self.journal.start(None if measured else self.step, self.settings)

    def _loop(self) -> None:
        settings, last_save = self.settings, time.monotonic()
        shown = self.accelerator.is_main_process
        with progress_bar(shown=shown) as progress:
            progress(settings.family, self.step, settings.steps)
            meter = AverageMeter(settings.batch * self.updater.shards)
            if shown and self.step < settings.steps:
                say(epoch_line(self.step, settings))
            while self.step < settings.steps:
                late = time.monotonic() - last_save > settings.checkpoint_minutes * 60
                stop, late = self._in_any_process(self.stopped_by is not None, late and shown)
                if late and self._saved_step != self.step:
                    self.save()
                    last_save = time.monotonic()
                    meter.restart_clock()
                if stop:
                    break
                meter.add(self.updater.update(self.step))
                self.step += 1
                progress(settings.family, self.step, settings.steps, f"{meter.rate:.0f} images/s")
                if self.step % settings.log_every == 0:
                    rates = self.updater.learning_rates(self.step - 1)
                    figures = meter.means(self.accelerator) | rates
                    self.journal.write(self.step, figures)
                    if shown:
                        say(losses_line(self.step, settings, self.family, figures))
                if self.step % settings.steps_per_epoch == 0:
                    self._end_epoch()
                    if shown and self.step < settings.steps:
                        say(epoch_line(self.step, settings))
                    last_save = time.monotonic()
                    meter.restart_clock()
        if self._saved_step != self.step:
            self.save()

    def _advice(self) -> str:
        if checkpoints(self.folder):
            return f"resume from the last checkpoint in {self.folder} with a lower learning rate"
        return f"{self.folder} has no checkpoint yet: start anew with a lower learning rate"

    def _in_any_process(self, *conditions: bool) -> list[bool]:
        """Whether each condition holds in any process: all must act at the same step, or they would wait forever."""
        if self.accelerator.num_processes == 1:
            return list(conditions)
        flags = torch.tensor([float(condition) for condition in conditions], device=self.accelerator.device)
        return [bool(flag > 0) for flag in self.accelerator.reduce(flags, "sum")]

    # -- the end of an epoch, and of the run --

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.settings.steps_per_epoch

    def _end_epoch(self) -> None:
        """Write validation figures and a sample sheet of the averaged weights, keep them if they are best, and save."""
        if self.accelerator.is_main_process:
            with evaluating(self._averaged()) as networks:
                figures = self._figures(networks, "val")
                self.journal.write(self.step, figures, "validation")
                sheet = self.family.sheet(networks)
            if sheet is not None:
                path = self.folder / "samples" / f"epoch{self.epoch:04d}.png"
                save_sheet(sheet.cells, path, sheet.rows, sheet.columns)
                self.journal.show(self.step, path)
            missing = self._keep_best(figures)
            best = self.best is not None and self.best["epoch"] == self.epoch
            say(
                figures_line(
                    f"Validation of epoch {self.epoch}{', the best so far' if best else ''}", figures
                )
            )
            if self.settings.epoch_files:
                for name, net in self._averaged().items():
                    letter = self.family.letters.get(name, name)
                    path = self.folder / f"{letter}_epoch{self.epoch}.safetensors"
                    save_weights(path, {name: net}, self._about())
            if missing:
                self.save()
                raise ConfigError(
                    f"best_by: unknown figure '{missing}'; choose one of {', '.join(sorted(figures))}"
                )
        self.save()
        self._archiving.synchronise()

    def _figures(self, networks: dict[str, nn.Module], split: str) -> dict[str, float]:
        """The family's validation figures on a split, and KID and FID where the family makes pictures."""
        figures = self.family.validate(networks, split)
        for meter in self._meters:
            figures |= meter(self.family.realism_pairs(networks, split, meter.faces), split)
        others = {other: ours for other, ours in self.family.other_names.items() if ours in figures}
        return figures | {other: figures[ours] for other, ours in others.items()}

    def _keep_best(self, figures: dict[str, float]) -> str | None:
        """Write the weights as the best if they are; returns ``best_by`` if ``figures`` do not have what it names."""
        name = best_figure(self.settings, figures)
        if name not in figures:
            return self.settings.best_by
        if not math.isfinite(figures[name]):
            return None
        if self.best is None or self.best["figure"] != name or figures[name] < self.best["value"]:
            self.best = {"figure": name, "value": figures[name], "epoch": self.epoch}
            save_weights(self.folder / "best.safetensors", self._averaged(), self._about())
        return None

    @property
    def _metrics(self) -> Path:
        return self.folder / "metrics" / "test_metrics.json"

    def _test(self, *, again: bool = False) -> None:
        """Write the figures of the best weights on the test split, unless they have been written for these weights.

        With ``again``, they are measured all the same.
        """
        target = self._metrics
        if not self.accelerator.is_main_process:
            return
        networks, best = copy.deepcopy(self._averaged()), self.folder / "best.safetensors"
        about = load_weights(best, networks) if best.exists() else self._about()
        metrics: dict[str, Any] = {"split": "test", "epoch": about["epoch"], "step": about["step"]}
        if not again and target.exists() and metrics.items() <= json.loads(target.read_text()).items():
            return
        try:
            with evaluating(networks):
                figures = self._figures(networks, "test")
        except DataError as error:  # a small data set may have nobody to test on
            metrics["missing"], figures = str(error), {}
        with writing(target) as path:
            path.write_text(json.dumps({**metrics, **figures}, indent=2) + "\n")
        self.journal.write(self.step, figures, "test")
        if not again:
            missing = f"No figures of the test split: {metrics.get('missing')}"
            say(figures_line(f"Test of epoch {about['epoch']}", figures) if figures else missing)

    # -- checkpoints --

    def save(self) -> None:
        """Write the latest weights, which export and other runs read, then a checkpoint, and delete old checkpoints."""
        # In this order, so that a run killed in between never has a checkpoint that is newer than its weights.
        if self.accelerator.is_main_process:
            path = checkpoint_path(self.folder, self.step)
            about = {**self._about(), "best": self.best}
            if self.updater.scaler is not None:
                about["scaler"] = self.updater.scaler.state_dict()
            save_weights(self.folder / "weights.safetensors", self._averaged(), self._about())
            save_checkpoint(path, self._state(), self.updater.optimisers, about)
            for old in checkpoints(self.folder)[: -self.settings.keep_checkpoints]:
                old.unlink()
        self._saved_step = self.step
        self.accelerator.wait_for_everyone()

    def _about(self) -> dict[str, Any]:
        return {
            "step": self.step, "epoch": self.epoch, "family": self.settings.family, "size": self.family.size,
            "dataset": self.family.cache.dataset,
        }  # fmt: skip

    def _resume(self) -> None:
        saved = checkpoints(self.folder)
        if not saved:
            raise ConfigError(f"{self.folder} has no checkpoint to resume from")
        about = load_checkpoint(saved[-1], self._state(), self.updater.optimisers)
        self.step, self.best = int(about["step"]), about["best"]
        self._saved_step = self.step
        if self.updater.scaler is not None and "scaler" in about:
            self.updater.scaler.load_state_dict(about["scaler"])

    def _state(self) -> dict[str, nn.Module]:
        """All modules of a checkpoint: networks, the family's memory, and averages."""
        averages = {f"average.{name}": net for name, net in self.updater.averages.items()}
        return {**self.family.networks, **self.family.memory, **averages}

    def _averaged(self) -> dict[str, nn.Module]:
        """The networks that samples, figures and export are made with: averaged where there is an average."""
        return {**self.family.networks, **self.updater.averages}


def resolved(settings: TrainSettings, family: Family, processes: int = 1) -> TrainSettings:
    """``settings`` with every option of the family written out, defaults among them, and with the steps of an epoch.

    Raises `DataError` if an epoch is to be one pass over the faces, and they are fewer than a step takes.
    """
    steps = settings.steps_per_epoch
    if not steps:
        pools = [pool_of("train") for pool_of in family.domains().values()]
        steps = min(pools, key=len).steps_per_pass(settings.batch * settings.accumulate * processes)
    options = family.options.model_dump(mode="json")
    return settings.model_copy(update={"options": options, "steps_per_epoch": steps})
