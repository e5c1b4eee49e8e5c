"""Show a search as an Optuna study, as optuna-dashboard does."""

from dataclasses import asdict
from pathlib import Path

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from scalectl.arch.space import KINDS
from scalectl.parsing import expand_home
from scalectl.search.trackers import describe_network
from scalectl.trial import Record, State

TITLE = "the Optuna storage"
PLACES = "Give a URL such as sqlite:///search.db, or the path of a journal file."


def open_tracker(where: str, _run: Path, name: str) -> "Study":
    """Open a storage, as Optuna takes it: the URL of a database, or the path of a journal."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return Study(
        optuna.create_study(
            storage=_open(where), study_name=name, direction="maximize", load_if_exists=True
        )
    )


class Study:
    """The study of a search."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._read = 0
        self._there = set[tuple[str, str]]()

    def log(self, record: Record) -> None:
        """Add the record unless the study has it, of this or of another command."""
        trials = self._study.get_trials(deepcopy=False)
        attributes = [trial.user_attrs for trial in trials[self._read :]]
        self._there |= {(shown.get("trial_id", ""), shown.get("state", "")) for shown in attributes}
        self._read = len(trials)
        if (record.trial.id, str(record.state)) not in self._there:
            self._study.add_trial(_convert(record))


_COEFFICIENTS = {name: FloatDistribution(1.0, 4.0) for name in ("alpha", "beta", "gamma")}
"""Range of the coefficients: from no growth to the largest that a design takes."""
_STAGE: dict[str, BaseDistribution] = {
    "block": CategoricalDistribution(KINDS),
    "kernel": IntDistribution(1, 11),
    "expansion": FloatDistribution(0.0, 100.0),
    "se_ratio": FloatDistribution(0.0, 1.0),
    "repeats": IntDistribution(1, 1000),
    "width": IntDistribution(1, 100_000),
    "skip": CategoricalDistribution((True, False)),
}
"""Ranges of what a stage may be made of, in any space of architectures."""


def _open(storage: str) -> BaseStorage:
    if not storage:
        raise ValueError("it is not said which")
    if "://" in storage:
        return get_storage(storage.replace("sqlite:///~", f"sqlite:///{Path.home()}"))
    path = expand_home(storage)
    # Optuna would take another file for a journal that is torn, and append to it.
    if path.exists():
        with path.open("rb") as file:
            if file.read(1) not in (b"", b"{"):
                raise ValueError(f"{path} is no journal; a database is named like sqlite:///{path}")
    return JournalStorage(JournalFileBackend(str(path)))


def _convert(record: Record) -> FrozenTrial:
    """Make Optuna's trial of a record, with what was chosen; the baseline's coefficients are all 1."""
    trial, candidate = record.trial, record.trial.candidate
    chosen = describe_network(trial) or dict.fromkeys(_COEFFICIENTS, 1.0)
    done = record.state is State.DONE
    return optuna.create_trial(
        state=TrialState.COMPLETE if done else TrialState.FAIL,
        value=record.top1 if done else None,
        params=chosen,
        distributions={
            name: _COEFFICIENTS.get(name) or _STAGE[name.partition(".")[2]] for name in chosen
        },
        intermediate_values=dict(enumerate(record.curve, 1)),
        user_attrs={
            "trial_id": trial.id,
            "state": str(record.state),
            "stage": trial.purpose,
            "control": candidate.control,
            "seed": trial.seed,
            "epochs": trial.recipe.epochs,
            "realised_ratio": candidate.realised_ratio,
            **asdict(candidate.cost),
            "loss": record.loss,
            "seconds": record.seconds,
            "error": record.error,
        },
    )
