"""Brief trainings compared with longer trainings of the same networks."""

from scalectl.arch.scaling import Shares
from scalectl.report.tables import Column, Table
from scalectl.search.results import Results

COLUMNS = (
    Column("candidate", "candidate"),
    Column("top1", "top-1, brief", ".2%"),
    Column("longer_top1", "top-1, longer", ".2%"),
    Column("gain", "gain", "+.2%"),
)


def tabulate(results: Results) -> Table:
    """List the networks that were trained both ways, the best after the longer training first."""
    fidelity = results.fidelity
    pairs = sorted(fidelity.pairs, key=lambda pair: -pair[2]) if fidelity else []
    notes: tuple[str, ...] = ("No network was trained longer yet.",)
    if fidelity:
        low, high = fidelity.interval
        ceiling = (
            "" if fidelity.ceiling is None else f"; noise alone permits {fidelity.ceiling:.2f}"
        )
        ranks = (
            f"{fidelity.epochs} against {fidelity.longer} epochs: Kendall's tau {fidelity.tau:.2f} "
            f"(95 %: {low:.2f} to {high:.2f}){ceiling}."
        )
        notes = (ranks, fidelity.note)
        if fidelity.shares and fidelity.longer_shares:
            optima = f"{_say(fidelity.shares)} to {_say(fidelity.longer_shares)}"
            notes += (f"The optimum went from {optima}.",)
    return Table(
        name="fidelity",
        title="Brief and longer trainings",
        columns=COLUMNS,
        rows=tuple(
            {
                "candidate": candidate.name,
                "top1": brief,
                "longer_top1": longer,
                "gain": longer - brief,
            }
            for candidate, brief, longer in pairs
        ),
        notes=notes,
    )


def _say(shares: Shares) -> str:
    return f"{shares.depth:.0%} depth, {shares.width:.0%} width, {shares.resolution:.0%} resolution"
