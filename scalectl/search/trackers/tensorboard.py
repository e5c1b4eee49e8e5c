"""Show each trial as a run of TensorBoard: curves, scores, and a row of its table of hyperparameters."""

from pathlib import Path
from tempfile import TemporaryDirectory

from torch.utils.tensorboard import SummaryWriter

from scalectl.parsing import expand_home
from scalectl.search.trackers import (
    describe_scores,
    describe_settings,
    list_curves,
    name_record,
)
from scalectl.store import atomic
from scalectl.trial import Record

TITLE = "TensorBoard"
PLACES = "Give tensorboard:FOLDER, or tensorboard alone for a folder in the run."


def open_tracker(where: str, run: Path, name: str) -> "Folder":
    """Open a folder for the runs of all searches; without one, that in the run, for its own alone."""
    return Folder(expand_home(where) / name if where else run / "tensorboard")


class Folder:
    """A folder with one of its own, of a single file, for each trial."""

    def __init__(self, path: Path) -> None:
        self._path = path
        atomic.make_folder(path)

    def log(self, record: Record) -> None:
        """Write the trial's file at once, so that none is ever half of one."""
        folder = self._path / f"{name_record(record)} {record.trial.id} {record.state}"
        path = folder / "events.out.tfevents"  # TensorBoard's own name would tell the host's
        if not path.exists():
            atomic.make_folder(folder)
            atomic.publish(path, _encode(record))


def _encode(record: Record) -> bytes:
    scores = {f"end/{name}": score for name, score in describe_scores(record).items()}
    with TemporaryDirectory() as name:
        with SummaryWriter(name) as writer:
            for curve, values in list_curves(record).items():
                for epoch, value in enumerate(values, 1):
                    writer.add_scalar(curve, value, epoch)
            if record.error:
                writer.add_text("error", record.error)
            writer.add_hparams(describe_settings(record), scores, run_name=".")
        # The writer opens a second file for the table; such files are streams, and can be joined.
        return b"".join(path.read_bytes() for path in sorted(Path(name).iterdir()))
