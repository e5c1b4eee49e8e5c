"""What to do next, as commands."""

import math
import shlex
from dataclasses import dataclass

from scalectl.search.results import Results


@dataclass(frozen=True, slots=True)
class Step:
    """A recommended step: the reason in a sentence, and the command."""

    why: str
    command: str


def advise(results: Results, run: str) -> tuple[Step, ...]:
    """List what to do next, the most useful step first; `run` is the path as commands name it."""
    selection, outlook = results.selection, results.outlook
    again = search_again(results, run)
    scale = Step(
        "Scale the baseline by these coefficients; --to writes a config for your library.",
        shlex.join(["scalectl", "scale", "--from", run, "--phi", "4"]),
    )
    if outlook and outlook.missing:
        return (Step("Finish the search: it continues where it was.", again),)
    if selection.status == "no_eligible_winner":
        return (Step("Try the failed trials once more.", again),)
    if selection.status == "identified":
        return (scale,)
    careful = Step("Take the best guess, and measure it.", scale.command)
    if selection.evidence is None or selection.evidence.noise.sd is None:
        seeds = 2 * len(results.seeds)
        return Step("More seeds show what is noise.", f"{again} --seeds {seeds}"), careful
    if selection.trainings_needed:
        trained = sum(summary.n + summary.failed for summary in results.summaries)
        seeds = math.ceil((trained + selection.trainings_needed) / len(results.summaries))
        why = f"About {selection.trainings_needed} more trainings may decide, where they help most."
        return Step(why, f"{again} --seeds {seeds}"), careful
    return (careful,)


def search_again(results: Results, run: str) -> str:
    """Write the command that continues a search; a grid file does not hold the path of its images."""
    data = results.records[0].trial.data.name
    images = "" if data == "glyphs" else " --data KIND:PATH"
    if run.endswith(".parquet"):
        return f"scalectl grid GRID.toml -o RUN{images}"
    return f"{shlex.join(['scalectl', 'grid', f'{run}/grid.toml', '-o', run])}{images}"
