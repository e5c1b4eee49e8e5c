"""Several searches side by side."""

from collections.abc import Sequence

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label

COLUMNS = (
    Column("run", "run"),
    Column("baseline", "baseline"),
    Column("data", "data"),
    Column("epochs", "epochs", "d"),
    Column("seeds", "seeds", "d"),
    Column("status", "status"),
    Column("alpha", "alpha", ".3f"),
    Column("beta", "beta", ".3f"),
    Column("gamma", "gamma", ".3f"),
    Column("depth_share", "depth share", ".0%"),
    Column("width_share", "width share", ".0%"),
    Column("resolution_share", "resolution share", ".0%"),
    Column("indifferent", "indifferent", ".0%"),
    Column("argmax", "argmax"),
    Column("macs_spent", "MACs spent", ",d"),
)


def tabulate_runs(found: Sequence[Evidence]) -> Table:
    """One row for each run, in the given order."""
    return Table(
        name="comparison",
        title="Comparison",
        columns=COLUMNS,
        rows=tuple(map(_describe, found)),
        notes=(
            "alpha, beta, gamma as recommended; shares are those of the fitted optimum.",
            (
                "Coefficients belong to their baseline, data and recipe: rows that differ in these are "
                "different questions."
            ),
        ),
    )


def _describe(evidence: Evidence) -> dict[str, object]:
    selection, trial = evidence.selection, evidence.records[0].trial
    optimum, area, argmax = selection.optimum, selection.indifference, selection.argmax
    return {
        "run": evidence.name,
        "baseline": trial.baseline.name,
        "data": trial.data.name,
        "epochs": trial.recipe.epochs,
        "seeds": len(evidence.seeds),
        "status": selection.status,
        "alpha": selection.recommended.alpha,
        "beta": selection.recommended.beta,
        "gamma": selection.recommended.gamma,
        "depth_share": optimum and optimum.depth,
        "width_share": optimum and optimum.width,
        "resolution_share": optimum and optimum.resolution,
        "indifferent": area and area.fraction,
        "argmax": label(argmax.candidate) if argmax else None,
        "macs_spent": sum(record.macs_spent for record in evidence.records),
    }
