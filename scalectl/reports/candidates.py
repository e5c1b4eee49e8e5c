"""What was tried, and what it really costs."""

from collections.abc import Iterable

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
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
    Column("params", "params", ",d"),
    Column("macs", "MACs", ",d"),
    Column("activations", "activations", ",d"),
)


def tabulate(evidence: Evidence) -> Table:
    """All candidates of a run, the baseline included."""
    return tabulate_candidates(summary.candidate for summary in evidence.summaries)


def tabulate_candidates(candidates: Iterable[Candidate]) -> Table:
    """The same for candidates that are not trained yet."""
    ordered = sorted(candidates, key=lambda one: (not one.control, one.coefficients.alpha))
    return Table(
        name="candidates",
        title="Candidates: nominal and realised cost",
        columns=COLUMNS,
        rows=tuple({"candidate": label(one), **describe(one)} for one in ordered),
        notes=(
            "alpha, beta, gamma as asked for; blocks, width, px and costs as realised.",
            "MACs are multiply-adds; FLOPs = 2 x MACs.",
        ),
    )


def label(candidate: Candidate) -> str:
    """The control's name, else the coefficients."""
    return candidate.control or str(candidate.coefficients)


def describe(candidate: Candidate) -> dict[str, object]:
    """A candidate under the keys of `--json`. The baseline has no coefficients."""
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
