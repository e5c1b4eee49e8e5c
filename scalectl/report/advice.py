"""What to do next, as commands."""

import math
import shlex
from dataclasses import dataclass

from scalectl.arch.factory import Factory
from scalectl.report.prose import count_below_baseline, is_chance
from scalectl.search.architectures.results import ArchitectureResults
from scalectl.search.results import Results


@dataclass(frozen=True, slots=True)
class Step:
    """A recommended step: the reason in a sentence, and the command as it is to be typed."""

    why: str
    command: str
    """Empty where nobody could write it down: a file of records is no run that goes on."""


def advise(results: Results, run: str, data: str = "") -> tuple[Step, ...]:
    """List what to do next, the most useful step first.

    `run` is the path as commands name it; `data` the images as they were named, which no run holds.
    """
    again = search_again(results, run, data)
    steps = _follow_verdict(results, run, again, search_again(results, run, data, "-longer"))
    is_doubtful = count_below_baseline(results) and not results.fidelity
    if again and is_doubtful and not results.lacks_trials:
        why = "Train some of them longer: such brief trainings favour what learns fast."
        return *steps, _repeat(why, again, "--set", "fidelity.seeds=1")
    return steps


def _follow_verdict(results: Results, run: str, again: str, apart: str) -> tuple[Step, ...]:
    """List the steps that a verdict asks for; `apart` is the command that searches in another folder."""
    selection, evidence = results.selection, results.selection.evidence
    if results.lacks_trials:
        return (_repeat("Finish the search: it continues where it was.", again),)
    if selection.status == "no_eligible_winner":
        return (_repeat("Try the failed trials once more.", again),)
    is_sure = selection.status == "identified"
    if is_chance(results) or (evidence and evidence.tells_nothing and not is_sure):
        why = "Longer trainings may tell the networks apart."
        seeds = _add_seeds(results)
        return _repeat(why, apart, *_lengthen(results)), _repeat(
            "So may more seeds.", again, *seeds
        )
    if is_sure:
        why = "Scale the baseline by these coefficients; --to writes a config for your library."
        return (Step(why, _scale(results, run)),)
    careful = Step("Take the best guess, and measure it.", _scale(results, run))
    if evidence is None or evidence.noise.sd is None:
        seeds = ("--seeds", str(2 * len(results.seeds)))
        return _repeat("More seeds show what is noise.", again, *seeds), careful
    if selection.trainings_needed:
        why = f"About {selection.trainings_needed} more trainings may decide, where they help most."
        return _repeat(why, again, *_add_seeds(results)), careful
    return (careful,)


def _repeat(why: str, command: str, *more: str) -> Step:
    """Advise to run the command that made a run once more; `more` is added to it."""
    if not command:
        added = f", with {shlex.join(more)}" if more else ""
        return Step(f"{why} Run the command that made it again{added}.", "")
    where = f" {_WHERE} is where its images are." if f":{_WHERE}" in command else ""
    return Step(f"{why}{where}", " ".join([command, *map(shlex.quote, more)]))


_WHERE = "PATH"


def _add_seeds(results: Results) -> tuple[str, str]:
    """Ask for the seeds that bring the trainings that may decide; where none are known, twice as many."""
    seeds = 2 * len(results.seeds)
    if needed := results.selection.trainings_needed:
        trained = sum(summary.n + summary.failed for summary in results.summaries)
        seeds = math.ceil((trained + needed) / len(results.summaries))
    return "--seeds", str(seeds)


def _scale(results: Results, run: str) -> str:
    baseline = results.records[0].trial.baseline
    named = ["--baseline", baseline.target] if isinstance(baseline, Factory) else []
    return shlex.join(["scalectl", "scale", "--from", run, *named, "--phi", "4"])


def _lengthen(results: Results) -> list[str]:
    """Ask for twice the epochs, and twice the images where they are drawn as they are asked for."""
    trial = results.records[0].trial
    images = f"proxy.train_images={2 * trial.data.sizes['train']}"
    drawn = ["--set", images] if trial.data.name == "glyphs" else []
    return ["--set", f"proxy.epochs={2 * trial.recipe.epochs}", *drawn]


def search_again(
    results: Results | ArchitectureResults, run: str, data: str = "", apart: str = ""
) -> str:
    """Write the command that continues a search, or repeats it in the folder whose name ends `apart`.

    No run holds the path of its images, nor the code of a factory; "" of mere records.
    """
    if run.endswith(".parquet"):
        return ""
    trial = results.records[0].trial
    command = "grid" if isinstance(results, Results) else "nas"
    named = ["--baseline", trial.baseline.target] if isinstance(trial.baseline, Factory) else []
    kind = trial.data.name.partition(" ")[0]
    place = data or (kind if kind.startswith("hfds/") else f"{kind}:{_WHERE}")
    placed = ["--data", place] if trial.data.name != "glyphs" else []
    file = f"{run}/{command}.toml"
    return shlex.join(["scalectl", command, file, *named, *placed, "-o", run + apart])


def advise_architectures(results: ArchitectureResults, run: str) -> tuple[Step, ...]:
    """List what to do after a search of architectures; `run` is the path as commands name it."""
    again = search_again(results, run)
    if results.outlook and not results.outlook.is_over:
        return (_repeat("Finish the search: it continues where it was.", again),)
    if results.winner is None:
        return (_repeat("Try the failed trainings once more.", again),)
    if results.winner.proposer == "start":
        more = ("--trials", str(2 * results.config.trials))
        return (_repeat("No network is ahead of the baseline: more may be.", again, *more),)
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
