"""Candidates after brief and after longer trainings."""

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label

COLUMNS = (
    Column("candidate", "candidate"),
    Column("mean_top1", "brief top-1", ".2%"),
    Column("longer_mean_top1", "longer top-1", ".2%"),
)


def tabulate(evidence: Evidence) -> Table:
    """Best after longer trainings first; no rows where there are none."""
    found = evidence.fidelity
    notes = ["No longer trainings; scalectl grid --set fidelity.seeds=1 makes them."]
    if found:
        low, high = found.interval
        ceiling = f"; noise alone allows {found.ceiling:.2f}" if found.ceiling is not None else ""
        notes = [
            (
                f"{found.epochs} epochs and {found.longer}: Kendall's tau-b {found.tau:.2f} "
                f"(95 %: {low:.2f} to {high:.2f}){ceiling}."
            ),
            found.note,
        ]
    rows = [
        {"candidate": label(candidate), "mean_top1": brief, "longer_mean_top1": longer}
        for candidate, brief, longer in (found.pairs if found else ())
    ]
    return Table(
        name="fidelity",
        title="Fidelity: would longer trainings choose the same?",
        columns=COLUMNS,
        rows=tuple(sorted(rows, key=lambda row: -float(str(row["longer_mean_top1"])))),
        notes=tuple(notes),
    )
