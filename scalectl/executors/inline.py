"""One group after another in this process: for debuggers and tests. Nothing watches it."""

from collections.abc import Generator, Iterable

from scalectl.executors import Cluster, Group, Workspace
from scalectl.trial import News


class Inline:
    """Ignores the jobs it is given: there is one process."""

    def __init__(self, _jobs: int, _cluster: Cluster) -> None:
        self.jobs = 1

    def run(self, groups: Iterable[Group], workspace: Workspace) -> Generator[News, None, None]:
        """Train in order."""
        from scalectl import training

        for group in groups:
            yield from training.run(group, workspace)
