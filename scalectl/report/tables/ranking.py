"""The ranking: how the networks did."""

from scalectl.analysis.selection import Selection, Summary
from scalectl.report.render import pluralise
from scalectl.report.tables import Column, Table
from scalectl.report.tables.candidates import describe_candidate, name_candidate
from scalectl.search.results import Results

COLUMNS = (
    Column("candidate", "candidate"),
    Column("n", "seeds", "d"),
    Column("mean_top1", "top-1", ".2%", essential=True),
    Column("sd_top1", "sd", ".2%"),
    Column("chance", "best with", ".0%"),
    Column("mean_loss", "log-loss", ".4f"),
    Column("gap", "train - select", ".1%"),
    Column("failed", "failed", "d"),
    Column("realised_ratio", "realised x", ".3f"),
    Column("activations", "activations", ",d"),
    Column("seconds", "seconds", ".0f"),
    Column("mark", "", essential=True),
)


def tabulate(results: Results) -> Table:
    """List the trained networks, the highest mean first, those without a finished trial last."""
    ordered = sorted(results.summaries, key=lambda summary: -(summary.mean_top1 or 0))
    data = results.records[0].trial.data
    recipe = results.records[0].trial.recipe
    notes = (
        (
            f"Mean and sd over seeds of the last epoch's top-1 on {data.sizes['select']:,} select "
            f"images of {data.name}, after {pluralise(recipe.epochs, 'epoch')} of {data.sizes['train']:,} images."
        ),
        "best with: the chance, by the refits, that no other trained network of its compute is better.",
        data.note,
    )
    return Table(
        name="ranking",
        title="Ranking",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": name_candidate(summary.candidate),
                **describe_summary(summary),
                "chance": results.selection.chances.get(summary.candidate.fingerprint),
                "gap": _find_gap(summary),
                "seconds": summary.mean_seconds,
                "mark": _find_mark(summary, results.selection),
            }
            for summary in ordered
        ),
        notes=tuple(note for note in notes if note),
    )


def describe_summary(summary: Summary) -> dict[str, object]:
    """Describe a candidate and its results under the keys of `--json`."""
    return {
        **describe_candidate(summary.candidate),
        "n": summary.n,
        "failed": summary.failed,
        "mean_top1": summary.mean_top1,
        "sd_top1": summary.sd_top1,
        "mean_loss": summary.mean_loss,
        "mean_train_top1": summary.mean_train_top1,
    }


def _find_gap(summary: Summary) -> float | None:
    if summary.mean_train_top1 is None or summary.mean_top1 is None:
        return None
    return summary.mean_train_top1 - summary.mean_top1


def _find_mark(summary: Summary, selection: Selection) -> str:
    """Compare networks, not summaries: the selection's summaries leave failures out."""
    marks = {"winner": selection.winner, "argmax": selection.argmax}
    own = summary.candidate.fingerprint
    return ", ".join(
        name for name, marked in marks.items() if marked and marked.candidate.fingerprint == own
    )
