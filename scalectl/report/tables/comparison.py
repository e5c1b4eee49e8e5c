"""Several searches side by side."""

from collections.abc import Sequence

from scalectl.report.tables import Column, Table
from scalectl.search.results import Results

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
    Column("regret", "expected regret", ".2%"),
    Column("bound", "95 % bound", ".2%"),
    Column("argmax", "highest top-1"),
    Column("macs_spent", "MACs spent", ",d"),
)


def tabulate_runs(runs: Sequence[Results]) -> Table:
    """Compare runs, one row each in the given order: what was searched, chosen and spent."""
    return Table(
        name="comparison",
        title="Comparison",
        columns=COLUMNS,
        rows=tuple(map(_describe, runs)),
        notes=(
            "alpha, beta, gamma as recommended; shares are those of the fitted optimum.",
            "Coefficients hold for their baseline, data and recipe: compare rows that agree in these.",
        ),
    )


def _describe(results: Results) -> dict[str, object]:
    selection, trial = results.selection, results.records[0].trial
    optimum, standing, argmax = selection.optimum, selection.standing, selection.argmax
    return {
        "run": results.name,
        "baseline": trial.baseline.name,
        "data": trial.data.name,
        "epochs": trial.recipe.epochs,
        "seeds": len(results.seeds),
        "status": selection.status,
        "alpha": selection.recommended.alpha,
        "beta": selection.recommended.beta,
        "gamma": selection.recommended.gamma,
        "depth_share": optimum and optimum.depth,
        "width_share": optimum and optimum.width,
        "resolution_share": optimum and optimum.resolution,
        "regret": standing and standing.regret,
        "bound": standing and standing.bound,
        "argmax": argmax.candidate.name if argmax else None,
        "macs_spent": sum(record.macs_spent for record in results.records),
    }
