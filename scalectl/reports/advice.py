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
    seeds = len({record.trial.seed for record in evidence.searched})
    enough = selection.seeds_needed
    why = (
        f"About {enough} seeds in all would probably identify a winner."
        if enough
        else "More seeds may identify a winner."
    )
    more = Step(why, f"{again} --seeds {enough or 2 * seeds}")
    return more, Step("Or take the balanced choice, and measure it.", scale.command)


def search_again(evidence: Evidence, run: str) -> str:
    """The command that continues a search. Grid files name the place of images by its last part alone."""
    data = evidence.records[0].trial.data.name
    images = "" if data == "glyphs" else " --data KIND:PATH"
    if run.endswith(".parquet"):
        return f"scalectl grid GRID.toml -o RUN{images}"
    return f"{shlex.join(['scalectl', 'grid', f'{run}/grid.toml', '-o', run])}{images}"
