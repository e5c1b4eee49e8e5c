"""One trial after another in this process: for debuggers and tests."""

from collections.abc import Iterator, Sequence

from scalectl.executors import Workspace
from scalectl.trial import Progress, Record, Trial


class Inline:
    """Ignores `jobs`: there is one process."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(self, trials: Sequence[Trial], workspace: Workspace) -> Iterator[Progress | Record]:
        """Train in order."""
        from scalectl import training

        for trial in trials:
            yield from training.run(trial, workspace)
