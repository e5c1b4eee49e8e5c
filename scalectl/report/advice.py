"""What to do next, as commands."""

import math
import shlex
from dataclasses import dataclass

from scalectl.arch.factory import Factory
from scalectl.search.architectures.results import ArchitectureResults
from scalectl.search.results import Results


@dataclass(frozen=True, slots=True)
class Step:
    """A recommended step: the reason in a sentence, and the command as it is to be typed."""

    why: str
    command: str
    """Empty where nobody could write it down, since only the user knows where the images are."""


def advise(results: Results, run: str) -> tuple[Step, ...]:
    """List what to do next, the most useful step first; `run` is the path as commands name it."""
    selection, outlook = results.selection, results.outlook
    again = search_again(results, run)
    baseline = results.records[0].trial.baseline
    named = ["--baseline", baseline.target] if isinstance(baseline, Factory) else []
    scale = Step(
        "Scale the baseline by these coefficients; --to writes a config for your library.",
        shlex.join(["scalectl", "scale", "--from", run, *named, "--phi", "4"]),
    )

    if outlook and outlook.missing:
        return (_repeat("Finish the search: it continues where it was.", again),)
    if selection.status == "no_eligible_winner":
        return (_repeat("Try the failed trials once more.", again),)
    if selection.status == "identified":
        return (scale,)
    careful = Step("Take the best guess, and measure it.", scale.command)
    if selection.evidence is None or selection.evidence.noise.sd is None:
        seeds = 2 * len(results.seeds)
        return _repeat("More seeds show what is noise.", again, f" --seeds {seeds}"), careful
    if selection.trainings_needed:
        trained = sum(summary.n + summary.failed for summary in results.summaries)
        seeds = math.ceil((trained + selection.trainings_needed) / len(results.summaries))
        why = f"About {selection.trainings_needed} more trainings may decide, where they help most."
        return _repeat(why, again, f" --seeds {seeds}"), careful
    return (careful,)


def _repeat(why: str, command: str, more: str = "") -> Step:
    """Advise to run the command that made a run once more; `more` is added to it."""
    if command:
        return Step(why, f"{command}{more}")
    added = f", with{more}" if more else ""
    return Step(f"{why} Run the command that made it again{added}.", "")


def search_again(results: Results, run: str) -> str:
    """Write the command that continues a search; "" where the run does not hold all of it.

    No run holds the path of its images or the code of a factory.
    """
    trial = results.records[0].trial
    if trial.data.name != "glyphs" or run.endswith(".parquet"):
        return ""
    named = ["--baseline", trial.baseline.target] if isinstance(trial.baseline, Factory) else []
    return shlex.join(["scalectl", "grid", f"{run}/grid.toml", *named, "-o", run])


def advise_architectures(results: ArchitectureResults, run: str) -> tuple[Step, ...]:
    """List what to do after a search of architectures; `run` is the path as commands name it."""
    again = search_architectures_again(results, run)
    if results.outlook and not results.outlook.is_over:
        return (_repeat("Finish the search: it continues where it was.", again),)
    if results.winner is None:
        return (_repeat("Try the failed trainings once more.", again),)
    if results.winner.proposer == "start":
        more = f" --trials {2 * results.config.trials}"
        return (_repeat("No network is ahead of the baseline: more may be.", again, more),)
    if run.endswith(".parquet"):
        return (Step("Give the folder of this run as --baseline to grid and scale.", ""),)
    return (
        Step(
            "Search how the winner should grow; --data takes your images.",
            shlex.join(["scalectl", "grid", "--baseline", run]),
        ),
        Step(
            "Scale it by the paper's coefficients; --to writes a config for your library.",
            shlex.join(
                ["scalectl", "scale", "--baseline", run, "--coefficients", "paper", "--phi", "1"]
            ),
        ),
    )


def search_architectures_again(results: ArchitectureResults, run: str) -> str:
    """Write the command that continues a search of architectures; "" where the run does not hold all."""
    if results.records[0].trial.data.name != "glyphs" or run.endswith(".parquet"):
        return ""
    return shlex.join(["scalectl", "nas", f"{run}/{results.config.FILE}", "-o", run])
