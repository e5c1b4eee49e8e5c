"""How the candidates did, best mean first."""

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import describe, label
from scalectl.selection import Selection, Summary

COLUMNS = (
    Column("candidate", "candidate"),
    Column("n", "seeds", "d"),
    Column("mean_top1", "top-1", ".2%"),
    Column("sd_top1", "sd", ".2%"),
    Column("chance", "best with", ".0%"),
    Column("mean_loss", "log-loss", ".4f"),
    Column("gap", "train - select", ".1%"),
    Column("failed", "failed", "d"),
    Column("realised_ratio", "realised x", ".3f"),
    Column("activations", "activations", ",d"),
    Column("seconds", "seconds", ".0f"),
    Column("mark", ""),
)


def tabulate(evidence: Evidence) -> Table:
    """Every network that was trained, the baseline included; those without a finished trial last."""
    ordered = sorted(evidence.summaries, key=lambda one: -(one.mean_top1 or 0))
    data = evidence.records[0].trial.data
    recipe = evidence.records[0].trial.recipe
    notes = (
        (
            f"Mean and sd over seeds of the last epoch's top-1 on {data.sizes['select']:,} select "
            f"images of {data.name}, after {recipe.epochs} epochs of {data.sizes['train']:,} images."
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
                "candidate": label(one.candidate),
                **summarised(one),
                "chance": evidence.selection.chances.get(one.candidate.fingerprint),
                "gap": _gap(one),
                "seconds": one.mean_seconds,
                "mark": _mark(one, evidence.selection),
            }
            for one in ordered
        ),
        notes=tuple(note for note in notes if note),
    )


def summarised(summary: Summary) -> dict[str, object]:
    """A candidate and its results under the keys of `--json`."""
    return {
        **describe(summary.candidate),
        "n": summary.n,
        "failed": summary.failed,
        "mean_top1": summary.mean_top1,
        "sd_top1": summary.sd_top1,
        "mean_loss": summary.mean_loss,
        "mean_train_top1": summary.mean_train_top1,
    }


def _gap(summary: Summary) -> float | None:
    if summary.mean_train_top1 is None or summary.mean_top1 is None:
        return None
    return summary.mean_train_top1 - summary.mean_top1


def _mark(summary: Summary, selection: Selection) -> str:
    """Networks are compared, not summaries: those of the selection leave failures out."""
    marks = {"winner": selection.winner, "argmax": selection.argmax}
    own = summary.candidate.fingerprint
    return ", ".join(
        name for name, one in marks.items() if one and one.candidate.fingerprint == own
    )
