"""A sweep in a folder: runs trials one after the other, chosen, pruned and recorded by Optuna."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from reage.errors import ConfigError, ReageError, WriteError
from reage.files import writing
from reage.sweep.plot import plot_sweep
from reage.sweep.space import Searched, learning_rates, recipe_text, require_searchable
from reage.sweep.trial import Validated, last_words, running, stop, validated
from reage.training.config import TrainSettings

SEED = 0
STARTUP_TRIALS = 5
"""Trials that are drawn at random before Optuna learns from them, and before any is pruned."""
_POLL = 1.0
"""Seconds from one look at a running trial to the next."""
_PATIENCE = 60.0
"""Seconds to wait for the trial of a sweep that was killed."""
_FOLDER = "folder"
"""The attribute of a trial in the study that says which folder it is in. One that goes on has the folder of before."""
FIGURE = "figure"
"""The attribute of a trial that names the validation figure by which it is judged."""
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Plan:
    """What a sweep does: runs of ``settings`` in which the settings ``searched`` vary."""

    settings: TrainSettings
    searched: tuple[Searched, ...]

    @classmethod
    def make(cls, settings: TrainSettings, searched: Sequence[Searched]) -> Plan:
        """A plan; where nothing is to be searched, learning rates are.

        Raises:
            ConfigError: a setting is unknown or may not have all of the values, or the machine would be ended.
        """
        if settings.terminate_instance:
            raise ConfigError("terminate_instance would end the machine after the first trial of a sweep")
        searched = tuple(searched) or tuple(learning_rates(settings))
        require_searchable(settings, searched)
        return cls(settings, searched)

    def to_json(self) -> str:
        """The plan as text, which is equal for equal plans."""
        stored = {
            "settings": self.settings.model_dump(mode="json", exclude_defaults=True),
            "searched": [str(each) for each in self.searched],
        }
        return json.dumps(stored, indent=2) + "\n"


class Sweep:
    """Trials of a ``plan`` in a folder.

    The folder holds ``sweep.json`` (the plan), ``journal.log`` (what Optuna knows), ``trial-0000/`` and so on (recipe,
    output and run of each), and after each trial ``best.yaml``, the recipe of the best one, and ``sweep.png``.

    Args:
        plan: what is tried.
        folder: is made if it is missing.
        tell: is given a line after each trial.
        resume: go on with the sweep in the folder.

    Raises:
        ConfigError: the folder holds a sweep and ``resume`` is not set, or the reverse; or it holds another plan.
    """

    def __init__(
        self, plan: Plan, folder: Path, *, tell: Callable[[str], object], resume: bool = False
    ) -> None:
        self.plan, self.folder, self._tell = plan, folder, tell
        try:
            stored = (folder / "sweep.json").read_text()
        except FileNotFoundError:
            stored = None
        if resume and stored is None:
            raise ConfigError(f"{folder} contains no sweep to resume")
        if not resume and stored is not None:
            raise ConfigError(f"{folder} already contains a sweep: resume it, or choose another folder")
        if stored not in (None, plan.to_json()):
            raise ConfigError(f"{folder} contains a sweep with other settings: choose another folder")

    def run(self, trials: int) -> Path | None:
        """Go on until there are as many ``trials``; returns the recipe of the best, None if none has succeeded.

        Raises:
            ConfigError: a trial ended before its first step; it is tried again when the sweep goes on.
            ReageError: another sweep works in the folder.
            WriteError: the folder cannot be written.
        """
        with writing(self.folder / "sweep.json") as part:
            part.write_text(self.plan.to_json())
        with _locked(self.folder) as lock:
            study = self._study()
            self._take_up(study)
            while len(finished(study)) < trials:
                self._try(study, trials, lock)
                self._write_results(study)
        best = self.folder / "best.yaml"
        return best if best.exists() else None

    def _study(self) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = JournalStorage(JournalFileBackend(str(self.folder / "journal.log")))
        known = 0
        with suppress(KeyError):
            known = len(optuna.load_study(study_name="sweep", storage=storage).trials)
        return optuna.create_study(
            study_name="sweep",
            storage=storage,
            load_if_exists=True,
            direction="minimize",
            # Another seed each time: with the same one a sweep that goes on would draw again what it drew before.
            sampler=optuna.samplers.TPESampler(seed=SEED + known, n_startup_trials=STARTUP_TRIALS),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS - 1),
        )

    def _take_up(self, study: optuna.Study) -> None:
        """Let trials that a sweep was killed in go on, in their folders and with their values."""
        for trial in latest(study):
            if trial.state is TrialState.RUNNING:
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params, user_attrs={_FOLDER: trial.user_attrs[_FOLDER]})

    def _try(self, study: optuna.Study, trials: int, lock: int | None) -> None:
        trial = study.ask()
        values = {each.key: each.suggest(trial) for each in self.plan.searched}
        name = str(trial.user_attrs.get(_FOLDER, f"trial-{len(latest(study)):04d}"))
        folder = self.folder / name
        with writing(folder / "recipe.yaml") as part:
            part.write_text(recipe_text(self.plan.settings, values))
        trial.set_user_attr(_FOLDER, name)
        seen, pruned, code = self._watch(trial, folder, lock)
        place = f"{name}, {len(finished(study)) + 1} of {trials}"
        told = ", ".join(f"{key}={_short(value)}" for key, value in values.items())
        if code == 0 and seen.values:
            study.tell(trial, min(seen.values))
            self._tell(f"{place}: {seen.name} {min(seen.values):.5g} with {told}")
        elif pruned:
            study.tell(trial, state=TrialState.PRUNED)
            epochs = f"after epoch {len(seen.values)} at {seen.name} {seen.values[-1]:.5g}"
            self._tell(f"{place}: pruned {epochs} with {told}")
        elif not (folder / "run" / "log.jsonl").exists():
            raise ConfigError(f"{folder} ended before its first step: {last_words(folder)}")
        else:
            study.tell(trial, state=TrialState.FAIL)
            self._tell(f"{place}: failed with {told}: {last_words(folder)}")

    def _watch(self, trial: optuna.Trial, folder: Path, lock: int | None) -> tuple[Validated, bool, int]:
        """Wait for a trial; returns what it validated, whether it was pruned, and the exit code of its run."""
        told, pruned = 0, False
        with running(folder, lock) as process:
            ended = False
            while not ended:
                ended = (
                    process.poll() is not None
                )  # asked before the figures are read, so that none is missed
                seen = validated(folder, self.plan.settings)
                for epoch in range(told, len(seen.values)):
                    trial.report(seen.values[epoch], epoch + 1)
                told = len(seen.values)
                if not ended and told and trial.should_prune():
                    pruned = True
                    stop(process)
                if not ended:
                    time.sleep(_POLL)
            trial.set_user_attr(FIGURE, seen.name)
            return seen, pruned, process.returncode

    def _write_results(self, study: optuna.Study) -> None:
        over = finished(study)
        if not any(trial.state is TrialState.COMPLETE for trial in over):
            return
        best = study.best_trial
        figure = str(best.user_attrs[FIGURE])
        place = f"{best.user_attrs[_FOLDER]}, with {figure} {best.value:.6g}"
        head = f"# The best of {len(over)} trials of a sweep: {place}.\n"
        with writing(self.folder / "best.yaml") as part:
            part.write_text(head + recipe_text(self.plan.settings, best.params))
        plot_sweep(over, self.plan.searched, figure, self.folder / "sweep.png")


def latest(study: optuna.Study) -> list[FrozenTrial]:
    """Of each trial folder, the last record that the study has of it, in the order of the folders."""
    by_folder = {trial.user_attrs[_FOLDER]: trial for trial in study.trials if _FOLDER in trial.user_attrs}
    return [by_folder[name] for name in sorted(by_folder)]


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are over: complete, pruned or failed."""
    return [trial for trial in latest(study) if trial.state in _FINISHED]


@contextmanager
def _locked(folder: Path) -> Iterator[int | None]:
    """While the block runs, no other sweep works in ``folder``; yields what a trial inherits to hold the lock, too.

    Raises `ReageError` if another one does. Systems without such locks have none.
    """
    try:
        import fcntl
    except ImportError:
        yield None
        return
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise WriteError(folder / "lock", error.strerror or str(error)) from error
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ReageError(f"another sweep or trial is running in {folder}") from error
                time.sleep(_POLL)
        yield lock
    finally:
        os.close(lock)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
