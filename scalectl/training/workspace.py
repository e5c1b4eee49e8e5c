"""The data, folders and limits that the trials of a search share on a machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scalectl.trial import Limits, Trial

if TYPE_CHECKING:  # brings numpy, which commands that train nothing do without
    from scalectl.data import Split
    from scalectl.data.cache import Images, Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What the trials of a search share on the machine that trains them."""

    data: str
    """The data set, as `scalectl.data.open_dataset` takes it."""
    limits: Limits
    cache: Path
    """Folder for rendered splits."""
    checkpoints: Path
    """Folder for the checkpoints of trials."""
    device: str
    """The device that trains, as torch names it, or "auto"."""
    stall: float
    """Seconds without a step after which a trial is stopped."""
    memory: int
    """Bytes of the machine's memory that one trial may take; 0 means an equal part of all."""
    save_every: float = 0.0
    """Seconds between checkpoints, at the end of an epoch; 0 saves after each epoch."""

    def render(
        self, trial: Trial, split: "Split", size: int | None = None
    ) -> "tuple[Images, Labels]":
        """Read a split at the trial's resolution, or at `size`, from the cache; render it where it is not there.

        Raises `ScalectlError` where the data changed since the trial was planned.
        """
        from scalectl.data import open_dataset
        from scalectl.data.cache import rendered

        return rendered(
            trial.data,
            split,
            size or trial.candidate.architecture.resolution,
            self.cache,
            lambda: open_dataset(self.data, self.limits),
        )
