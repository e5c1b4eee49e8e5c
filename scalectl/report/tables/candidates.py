"""The candidates with their nominal and realised costs."""

from collections.abc import Iterable

from scalectl.report.tables import MACS_NOTE, Column, Table
from scalectl.search.results import Results
from scalectl.trial import Candidate

COLUMNS = (
    Column("candidate", "candidate"),
    Column("alpha", "alpha", ".3f"),
    Column("beta", "beta", ".3f"),
    Column("gamma", "gamma", ".3f"),
    Column("depth", "blocks", ".4g"),
    Column("width", "width x", ".2f"),
    Column("resolution", "px", "d"),
    Column("nominal_ratio", "nominal x", ".2f"),
    Column("realised_ratio", "realised x", ".3f"),
    Column("params", "params", ",d", essential=True),
    Column("macs", "MACs", ",d", essential=True),
    Column("activations", "activations", ",d"),
)


def tabulate(results: Results) -> Table:
    """List the networks of a run's search, the baseline included."""
    return tabulate_candidates(summary.candidate for summary in results.summaries)


def tabulate_candidates(candidates: Iterable[Candidate]) -> Table:
    """List candidates, trained or not: the controls first, then by alpha."""
    ordered = sorted(candidates, key=lambda each: (not each.control, each.coefficients.alpha))
    return Table(
        name="candidates",
        title="Candidates: nominal and realised cost",
        columns=COLUMNS,
        rows=tuple({"candidate": each.name, **describe_candidate(each)} for each in ordered),
        notes=(
            "alpha, beta, gamma as asked for; blocks, width, px and costs as realised.",
            MACS_NOTE,
        ),
    )


def describe_candidate(candidate: Candidate) -> dict[str, object]:
    """Describe a candidate under the keys of `--json`; the baseline's coefficients are None."""
    coefficients, cost = candidate.coefficients, candidate.cost
    known = candidate.shares is not None
    return {
        "alpha": coefficients.alpha if known else None,
        "beta": coefficients.beta if known else None,
        "gamma": coefficients.gamma if known else None,
        "nominal_ratio": candidate.nominal_ratio,
        "realised_ratio": candidate.realised_ratio,
        "depth": candidate.architecture.depth,
        "width": candidate.multipliers.width,
        "resolution": candidate.architecture.resolution,
        "params": cost.params,
        "macs": cost.macs,
        "activations": cost.activations,
        "fingerprint": candidate.fingerprint,
        "control": candidate.control,
    }
