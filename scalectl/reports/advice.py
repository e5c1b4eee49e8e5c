"""What to do next, as commands."""

import shlex
from dataclasses import dataclass

from scalectl.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Step:
    """A sentence and its command."""

    why: str
    command: str


def advise(evidence: Evidence, run: str) -> tuple[Step, ...]:
    """The most useful step first; `run` is the folder or file as commands name it."""
    selection, outlook = evidence.selection, evidence.outlook
    again = search_again(evidence, run)
    scale = Step(
        "Scale the baseline by it; a config for your library follows with --to.",
        shlex.join(["scalectl", "scale", "--from", run, "--phi", "4"]),
    )
    if outlook and outlook.missing:
        return (Step("Finish the search: it continues where it was.", again),)
    if selection.status == "no_eligible_winner":
        return (Step("Try the trials that failed once more.", again),)
    if selection.status == "identified":
        return (scale,)
    careful = Step("Take the careful choice, and measure it.", scale.command)
    if selection.seeds_needed:
        why = f"About {selection.seeds_needed} seeds in all would probably identify a winner."
        return Step(why, f"{again} --seeds {selection.seeds_needed}"), careful
    if selection.fit is None:
        seeds = 2 * len(evidence.seeds)
        return Step("More trainings make a fit possible.", f"{again} --seeds {seeds}"), careful
    return (careful,)


def search_again(evidence: Evidence, run: str) -> str:
    """The command that continues a search. Grid files name the place of images by its last part alone."""
    data = evidence.records[0].trial.data.name
    images = "" if data == "glyphs" else " --data KIND:PATH"
    if run.endswith(".parquet"):
        return f"scalectl grid GRID.toml -o RUN{images}"
    return f"{shlex.join(['scalectl', 'grid', f'{run}/grid.toml', '-o', run])}{images}"
