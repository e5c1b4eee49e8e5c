"""`scalectl merge`: runs of one search, united."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import PATH, json_option
from scalectl.commands.shared.output import print_json, say
from scalectl.commands.shared.results import check_files, print_words
from scalectl.report.render import pluralise

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.architectures.results import ArchitectureResults
    from scalectl.search.merge import Conflict, Merged
    from scalectl.search.results import Results


@click.command(cls=DocumentedCommand)
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="RUN",
    type=PATH,
    required=True,
    help="Folder for all of it.",
)
@json_option
def merge(runs: tuple[Path, ...], target: Path, as_json: bool) -> None:
    """Unite runs of one search, such as those of grid --shard, in one folder.

    Of two records of one trial the first one stays, and differences are named. The runs themselves
    stay as they are. scalectl grid with the same arguments, without --shard, then trains what is
    missing, and chooses; so does scalectl nas.
    """
    from scalectl.search import merge

    merged = merge.merge(runs, target)
    results = _conclude(target)
    if as_json:
        print_json({"schema_version": 1, "run": str(target), **_document(merged)})
    else:
        are = "is" if merged.records == 1 else "are"
        say(
            f"{pluralise(merged.records, 'record')} of {pluralise(len(runs), 'run')} {are} in {target}; "
            f"{merged.repeated or 'none'} in several of them."
        )
        for conflict in merged.conflicts:
            say(f"Conflict: {_describe(conflict)}", err=True)
        print_words(results)
    check_files(merged.damaged, then="; then merge again")


def _conclude(run: Path) -> "Results | ArchitectureResults":
    """Read what the records support, and write it down where the search is over."""
    from scalectl.analysis import recommendation
    from scalectl.search.architectures.results import (
        is_architecture_run,
        read_architecture_results,
    )
    from scalectl.search.results import read_results, recommend

    if is_architecture_run(run):
        return read_architecture_results(run)
    results = read_results(run)
    if not results.lacks_trials:
        recommendation.write(recommend(results), run)
    return results


def _document(merged: "Merged") -> dict[str, object]:
    from scalectl.report.json_document import describe_damaged

    return {
        "records": merged.records,
        "repeated": merged.repeated,
        "conflicts": [
            {
                "trial_id": conflict.kept.trial.id,
                "kept_in": str(conflict.kept_in),
                "kept_top1": conflict.kept.top1,
                "other_in": str(conflict.other_in),
                "other_top1": conflict.other.top1,
                "same_environment": conflict.kept.environment == conflict.other.environment,
            }
            for conflict in merged.conflicts
        ],
        "damaged": describe_damaged(merged.damaged),
    }


def _describe(conflict: "Conflict") -> str:
    from scalectl.report.progress import describe_trial

    kept, other = conflict.kept, conflict.other
    alike = kept.environment == other.environment
    why = "though on the same kind of machine" if alike else "on another kind of machine or version"
    return (
        f"{describe_trial(kept.trial)} ({kept.trial.id}) ended {kept.state}, top-1 {_score(kept.top1)}, in "
        f"{conflict.kept_in}, which is kept, and {other.state}, top-1 {_score(other.top1)}, in "
        f"{conflict.other_in}, {why}."
    )


def _score(top1: float | None) -> str:
    return "-" if top1 is None else f"{top1:.4%}"
