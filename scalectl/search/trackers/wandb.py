"""Show a search as a group of runs of Weights & Biases, one for each trial."""

import hashlib
import os
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

import wandb

from scalectl.search.trackers import (
    describe_scores,
    describe_settings,
    list_curves,
    name_record,
)
from scalectl.store import atomic
from scalectl.trial import Record, State

TITLE = "Weights & Biases"
PLACES = "Give wandb:PROJECT, or wandb alone for the project scalectl."


def open_tracker(where: str, run: Path, name: str) -> "Group":
    """Open the folder wandb/ in the run, where `wandb sync` finds what it uploads to the project."""
    return Group(run / "wandb", where or "scalectl", name)


class Group:
    """The runs of a search, in files."""

    def __init__(self, folder: Path, project: str, name: str) -> None:
        self._folder = folder
        self._project = project
        self._name = name
        atomic.make_folder(folder)

    def log(self, record: Record) -> None:
        """Write a run, and keep its file as a whole."""
        key = f"{self._project} {self._name} {record.trial.id} {record.state}"
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        if any(self._folder.glob(f"*run-*-{name}/run-{name}.wandb")):
            return
        with TemporaryDirectory() as temporary:
            self._write(record, name, temporary)
            (path,) = Path(temporary).glob(f"wandb/*run-*/run-{name}.wandb")
            kept = self._folder / path.parent.name / path.name
            atomic.make_folder(kept.parent)
            atomic.publish(kept, path.read_bytes())

    def _write(self, record: Record, name: str, folder: str) -> None:
        run = wandb.init(
            project=self._project,
            group=self._name,
            id=name,
            name=name_record(record),
            notes=record.error or None,
            config=describe_settings(record),
            mode="offline",  # else it may ask for a key, and wait
            dir=folder,
            reinit="create_new",
            settings=_SETTINGS,
        )
        try:
            curves = list_curves(record)
            for epoch, values in enumerate(zip_longest(*curves.values()), 1):
                pairs = zip(curves, values, strict=True)
                run.log({name: value for name, value in pairs if value is not None}, step=epoch)
            run.summary.update(describe_scores(record))
        finally:
            run.finish(exit_code=0 if record.state is State.DONE else 1)
            wandb.teardown()  # which alone waits until the file is whole, and leaves no process


_SETTINGS = wandb.Settings(
    silent=True,
    console="off",
    # Nothing about the machine, its user, or what else is on it.
    host="",
    disable_code=True,
    disable_git=True,
    x_disable_meta=True,
    x_disable_stats=True,
    x_save_requirements=False,
)
