"""Show a search as an experiment of MLflow, and each trial as a run of it."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

# A server that is not there is found so in seconds instead of minutes, and nothing else is asked.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from scalectl.search.trackers import (
    describe_scores,
    describe_settings,
    list_curves,
    name_record,
)
from scalectl.trial import Record, State

TITLE = "MLflow"
PLACES = (
    "Give mlflow:sqlite:///FILE.db or mlflow:http://HOST:PORT, or mlflow alone for its own place."
)


def open_tracker(where: str, _run: Path, name: str) -> "Experiment":
    """Open a database or a server; without one, that of MLFLOW_TRACKING_URI or MLflow's default."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=where or None)
    known = client.get_experiment_by_name(name)
    return Experiment(client, known.experiment_id if known else client.create_experiment(name))


class Experiment:
    """The experiment of a search."""

    def __init__(self, client: MlflowClient, number: str) -> None:
        self._client = client
        self._number = number
        self._there = set(self._list_ended())

    def log(self, record: Record) -> None:
        """Add a run, or complete one that a command left when it was killed."""
        key = {"trial_id": record.trial.id, "state": str(record.state)}
        if (record.trial.id, str(record.state)) in self._there:
            return
        run = self._find(key) or self._client.create_run(
            self._number, run_name=name_record(record), tags={**key, "error": record.error}
        )
        if run.info.status != "RUNNING":  # another command was faster
            return
        name, began = run.info.run_id, run.info.start_time
        self._client.log_batch(
            name,
            params=[Param(key, str(value)) for key, value in describe_settings(record).items()],
        )
        # Equal times, so that what is written a second time is the same, and stays once.
        metrics = [
            *(Metric(key, score, began, 0) for key, score in describe_scores(record).items()),
            *(
                Metric(key, value, began, epoch)
                for key, values in list_curves(record).items()
                for epoch, value in enumerate(values, 1)
            ),
        ]
        for first in range(0, len(metrics), _BATCH):
            self._client.log_batch(name, metrics=metrics[first : first + _BATCH])
        done = record.state is State.DONE
        self._client.set_terminated(name, "FINISHED" if done else "FAILED")

    def _list_ended(self) -> Iterator[tuple[str, str]]:
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs(
                [self._number], "attributes.status != 'RUNNING'", page_token=token or None
            )
            for run in page:
                yield run.data.tags.get("trial_id", ""), run.data.tags.get("state", "")
            token = page.token or None

    def _find(self, tags: dict[str, str]) -> Run | None:
        wanted = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
        return next(iter(self._client.search_runs([self._number], wanted, max_results=1)), None)


_BATCH = 1000
"""Most metrics that MLflow takes at once."""
