"""What the commands that search have in common, from reading the images to the exit code."""

from collections.abc import Iterator
from contextlib import contextmanager

from scalectl.commands.shared.output import say
from scalectl.errors import ScalectlError
from scalectl.executors import CLUSTERS
from scalectl.executors.hardware import require_device
from scalectl.report.render import pluralise
from scalectl.trial import DataCard


def tell_of_data(card: DataCard, *, quiet: bool) -> None:
    """Say on stderr what the data set holds, and what may spoil a search."""
    from scalectl.report.account import describe_data

    if not quiet:
        say(describe_data(card), err=True)


@contextmanager
def reading(*, quiet: bool) -> Iterator[None]:
    """Show on a terminal that images are read, which may take a while the first time."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status("Reading the images; what is unchanged is remembered ..."):
        yield


def require_here(device: str, executor: str, *, trains: bool) -> None:
    """Refuse a device that this machine lacks, unless others train or nothing is trained at all."""
    if trains and executor not in CLUSTERS:
        require_device(device)


def check_trials(failed: int) -> None:
    """Raise `ScalectlError` with code 6 where some trials failed."""
    if failed:
        raise ScalectlError(
            f"{pluralise(failed, 'trial')} failed; the report has their reasons.",
            "Run the same command again to try once more, as often as watch.retries allows.",
            exit_code=6,
        )
