"""Copy a search into an Optuna study while it runs, so that optuna-dashboard shows it."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from scalectl.errors import ScalectlError
from scalectl.parsing import expand_home
from scalectl.search.plan import Plan
from scalectl.store.locks import Locks
from scalectl.store.writer import Store
from scalectl.trial import Record, State


def name_study(plan: Plan, run: Path) -> str:
    """Name a run's study by its folder and by a hash of what is searched.

    So searches in folders of one name share no study, and one to which seeds are added keeps its own.
    """
    config = plan.config
    design = {key: value for key, value in asdict(config.design).items() if key != "max_candidates"}
    searched = (
        plan.baseline.fingerprint,
        asdict(config.proxy.recipe),
        plan.trials[0].data.digests,
        design,
        config.strategy.kind,
    )
    digest = hashlib.sha256(json.dumps(searched, sort_keys=True).encode()).hexdigest()
    return f"{run.resolve().name}-{digest[:8]}"


class Mirror:
    """A copy of a run as an Optuna study, from which nothing is read but which trials it has.

    `storage` is as Optuna takes it: the URL of a database, or the path of a journal. Raises
    `ScalectlError` where it cannot be used at first; if it fails later, `warn` is called once, and the
    search goes on.
    """

    def __init__(self, storage: str, store: Store, name: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._locks = Locks(store.locks, _PATIENCE)
        self._waiting = list(store.read().records)
        self._broken = False
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            with self._turn(_PATIENCE):  # two that make the tables at once would fail
                self._study = optuna.create_study(
                    storage=_open(storage),
                    study_name=name,
                    direction="maximize",
                    load_if_exists=True,
                )
                self._add_missing()
        except Exception as problem:  # of any database driver
            raise ScalectlError(
                f"The Optuna storage cannot be used: {_explain(problem)}.",
                "Give a URL such as sqlite:///search.db, or the path of a journal file.",
            ) from None

    def add(self, records: Iterable[Record] = (), *, patience: float = 0.0) -> None:
        """Add records that the study lacks, and those that could not be added before.

        Where another command adds now, and for `patience` seconds more, that is left for later.
        """
        self._waiting += records
        if self._broken:
            return
        try:
            with self._turn(patience) as granted:
                if granted:
                    self._add_missing()
        except Exception as problem:  # of any database driver
            self._broken = True
            self._warn(
                f"Warning: the Optuna storage failed: {_explain(problem)}. The search goes on "
                "without it; a later command adds what it lacks."
            )

    @contextmanager
    def _turn(self, patience: float) -> Iterator[bool]:
        """Keep other commands that share the run from adding; False where one of them does now."""
        until = time.monotonic() + patience
        while not (granted := self._locks.acquire(_LOCK)) and time.monotonic() < until:
            time.sleep(0.1)
        try:
            yield granted
        finally:
            self._locks.release_all()

    def _add_missing(self) -> None:
        there = {
            (trial.user_attrs.get("trial_id"), trial.user_attrs.get("state"))
            for trial in self._study.get_trials(deepcopy=False)
        }
        for record in self._waiting:
            if (record.trial.id, str(record.state)) not in there:
                self._study.add_trial(_convert(record))
        self._waiting.clear()


_LOCK = "mirror"
_PATIENCE = 30.0
"""Seconds that another command may take to add."""
_SPACE = {name: FloatDistribution(1.0, 4.0) for name in ("alpha", "beta", "gamma")}
"""Range of the coefficients: from no growth to the largest that a design takes."""


def _open(storage: str) -> BaseStorage:
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
    """Make Optuna's trial of a record, with the coefficients asked for; the baseline's are all 1."""
    trial, candidate = record.trial, record.trial.candidate
    asked = asdict(candidate.coefficients) if candidate.shares else dict.fromkeys(_SPACE, 1.0)
    done = record.state is State.DONE
    return optuna.create_trial(
        state=TrialState.COMPLETE if done else TrialState.FAIL,
        value=record.top1 if done else None,
        params=asked,
        distributions=dict(_SPACE),
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


def _explain(problem: Exception) -> str:
    """Return the first line of an error's text."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".")
