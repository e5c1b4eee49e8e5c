"""Trackers, a slot: one file per program that shows a search, and its line in `TRACKERS`.

A tracker is shown the trials that have ended, each as a whole. What it writes is no part of a run,
and nothing is read from it but which trials it has.
"""

from collections.abc import Iterable
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from scalectl.arch.architecture import Architecture
from scalectl.arch.space import describe_stages
from scalectl.errors import ScalectlError
from scalectl.trial import Record, Trial

TRACKERS = {
    "tensorboard": "scalectl.search.trackers.tensorboard",
    "mlflow": "scalectl.search.trackers.mlflow",
    "wandb": "scalectl.search.trackers.wandb",
    "optuna": "scalectl.search.trackers.optuna",
}
"""Name, which is also that of the library it needs -> its module, a `TrackerModule`."""


class Tracker(Protocol):
    """A tracker that is open. It raises whatever its library does."""

    def log(self, record: Record) -> None:
        """Show a trial that has ended, unless it is there already in the state that it has."""


class TrackerModule(Protocol):
    """What the module of a tracker offers."""

    TITLE: str
    """What it is called in sentences."""
    PLACES: str
    """What `--log NAME:WHERE` takes, as the next step for who gave something else."""

    def open_tracker(self, where: str, run: Path, name: str) -> Tracker:
        """Open what `where` names, "" for the usual place; make it where it is missing.

        `run` is the folder of the run, `name` that of the search, the same for all of its commands.
        """
        ...


def find_tracker(name: str) -> TrackerModule:
    """Import the tracker of that name, one of `TRACKERS`."""
    return cast(TrackerModule, import_module(TRACKERS[name]))


def check_installed(names: Iterable[str]) -> None:
    """Raise `ScalectlError` for a tracker whose library is missing."""
    for name in names:
        if find_spec(name) is None:
            raise ScalectlError(
                f"--log {name} needs {name}, which is not installed; nothing was trained.",
                f'Install it: python -m pip install "scalectl[{name}]".',
            )


def name_record(record: Record) -> str:
    """Name a trial for people: what is special about it, and its seed."""
    trial, candidate = record.trial, record.trial.candidate
    purpose = "" if trial.purpose == "search" else f"{trial.purpose} "
    size = f" phi {candidate.phi:g}" if trial.purpose == "confirm" and candidate.shares else ""
    network = f" {trial.baseline.name}" if trial.purpose == "nas" else ""
    return f"{purpose}{candidate.name}{network}{size} seed {trial.seed}"


def describe_network(trial: Trial) -> dict[str, Any]:
    """Describe what was chosen: the coefficients, or each stage in a search of architectures."""
    candidate = trial.candidate
    if candidate.shares:
        return asdict(candidate.coefficients)
    if candidate.control == "baseline":
        return {}
    assert isinstance(trial.baseline, Architecture)
    return describe_stages(trial.baseline)


def describe_settings(record: Record) -> dict[str, str | float]:
    """Describe what was decided before the training, and how it ended, under the keys of `--json`."""
    trial, candidate = record.trial, record.trial.candidate
    return {
        "trial_id": trial.id,
        "state": str(record.state),
        "stage": trial.purpose,
        "control": candidate.control,
        **describe_network(trial),
        "phi": candidate.phi,
        "realised_ratio": candidate.realised_ratio,
        "resolution": candidate.architecture.resolution,
        **asdict(candidate.cost),
        "seed": trial.seed,
        "epochs": trial.recipe.epochs,
    }


def describe_scores(record: Record) -> dict[str, float]:
    """Describe what came of a training, without what is not known, under the keys of `--json`."""
    names = ("top1", "loss", "train_top1", "train_loss", "seconds", "macs_spent", "peak_memory")
    scores = {name: getattr(record, name) for name in names}
    return {name: score for name, score in scores.items() if score is not None}


def list_curves(record: Record) -> dict[str, tuple[float, ...]]:
    """List what was measured after each epoch."""
    return {
        "epoch/loss": record.curve,
        "epoch/top1": record.top1_curve,
        "epoch/train_loss": record.train_curve,
    }
