import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from scalectl.executors.hardware import count_cores


def measure() -> Iterator[tuple[str, str]]:
    """README's search by the command that a user has, alone on the machine.

    What it costs over its trainings is its whole time, from the start of the command to its end,
    over the seconds of all trainings divided by the trials at once. The noise of a training is what it
    differs from another of the same network, once their seeds' common part is taken out, and the
    reliability the part of the differences between networks that is not noise.
    """
    jobs = count_cores()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run("grid", "-o", folder, "-q", "--jobs", str(jobs))
        wall = time.perf_counter() - start
        document = json.loads(run("report", folder, "--json"))
    seconds = [record["seconds"] for record in document["records"]]
    selection = document["selection"]
    evidence, worth = selection["evidence"], selection["evidence"]["worth"]
    yield "trials", f"{len(seconds)}"
    yield "wall-clock", f"{wall:.0f} s"
    yield "over the bare trainings", f"{wall * jobs / sum(seconds):.3f}"
    yield "seconds of a training (median)", f"{statistics.median(seconds):.1f} s"
    yield "top-1 (mean)", f"{statistics.mean(record['top1'] for record in document['records']):.1%}"
    yield "noise of a training", f"{evidence['noise']['sd']:.3f} of the log-loss"
    if worth:
        yield "the same in top-1", f"{100 * worth['slope'] * evidence['noise']['sd']:.2f} points"
    yield "reliability", f"{evidence['noise']['reliability']:.2f}"
    yield "choice", selection["status"]


def run(*arguments: str) -> str:
    """A command of scalectl; what it prints."""
    command = [sys.executable, "-m", "scalectl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
