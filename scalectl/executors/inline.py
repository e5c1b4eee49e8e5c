"""Train one trial after another in this process, which nothing watches: for debuggers and tests."""

from collections.abc import Generator, Iterable

from scalectl.executors import Cluster
from scalectl.training.workspace import Workspace
from scalectl.trial import News, Trial


class Inline:
    """An executor in this process; it runs one trial at a time, whatever `jobs` says."""

    def __init__(self, _jobs: int, _cluster: Cluster) -> None:
        self.jobs = 1

    def run(self, trials: Iterable[Trial], workspace: Workspace) -> Generator[News, None, None]:
        from scalectl.training import loop

        for trial in trials:
            yield from loop.run(trial, workspace)
