"""Brief trainings beside longer ones of the same networks."""

from collections.abc import Iterator

from scalectl.evidence import Evidence
from scalectl.fidelity import Fidelity
from scalectl.reports import Column, Table
from scalectl.reports.candidates import label
from scalectl.scaling import Shares

COLUMNS = (
    Column("candidate", "candidate"),
    Column("top1", "top-1, brief", ".2%"),
    Column("longer_top1", "top-1, longer", ".2%"),
    Column("gain", "gain", "+.2%"),
)


def tabulate(evidence: Evidence) -> Table:
    """One row for each network that was trained both ways, best of the longer trainings first."""
    found = evidence.fidelity
    pairs = sorted(found.pairs, key=lambda pair: -pair[2]) if found else []
    notes: tuple[str, ...] = ("No network was trained longer yet.",)
    if found:
        low, high = found.interval
        ceiling = "" if found.ceiling is None else f"; noise alone permits {found.ceiling:.2f}"
        ranks = (
            f"{found.epochs} against {found.longer} epochs: Kendall's tau {found.tau:.2f} "
            f"(95 %: {low:.2f} to {high:.2f}){ceiling}."
        )
        notes = (ranks, found.note, *_compare_optima(found))
    return Table(
        name="fidelity",
        title="Brief and longer trainings",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": label(candidate),
                "top1": brief,
                "longer_top1": longer,
                "gain": longer - brief,
            }
            for candidate, brief, longer in pairs
        ),
        notes=notes,
    )


def _compare_optima(found: Fidelity) -> Iterator[str]:
    if found.shares and found.longer_shares:
        yield f"The optimum went from {_say(found.shares)} to {_say(found.longer_shares)}."


def _say(shares: Shares) -> str:
    return f"{shares.depth:.0%} depth, {shares.width:.0%} width, {shares.resolution:.0%} resolution"
