"""The choice against what anybody would try first, seed by seed."""

from collections.abc import Mapping
from statistics import fmean, stdev

from scalectl.comparison import place
from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.selection import Summary
from scalectl.trial import list_scores

COLUMNS = (
    Column("control", "control"),
    Column("realised_ratio", "realised x", ".3f"),
    Column("mean_top1", "top-1", ".2%"),
    Column("sd_top1", "sd", ".2%"),
    Column("difference", "reference - control", "+.2%"),
    Column("sd_difference", "sd", ".2%"),
    Column("pairs", "pairs", "d"),
)


def tabulate(evidence: Evidence) -> Table:
    """The reference is the winner; where none is identified, the candidate with the highest mean."""
    selection = evidence.selection
    reference = selection.winner or selection.argmax
    kind = "the winner" if selection.winner else "the highest mean, which flatters itself"
    note = (
        f"The reference is {reference.candidate.coefficients}, {kind}."
        if reference
        else "No result."
    )
    scores = list_scores(evidence.searched)
    return Table(
        name="controls",
        title="Controls at the same compute, paired by seed",
        columns=COLUMNS,
        rows=tuple(
            _compare(one, reference, scores)
            for one in sorted(evidence.summaries, key=lambda one: place(one.candidate))
            if one.candidate.control
        ),
        notes=(note, "The baseline has half the compute."),
    )


def _compare(
    control: Summary, reference: Summary | None, scores: Mapping[str, Mapping[int, float]]
) -> dict[str, object]:
    differences: list[float] = []
    if reference:
        ours = scores[reference.candidate.fingerprint]
        theirs = scores.get(control.candidate.fingerprint, {})
        differences = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    return {
        "control": control.candidate.control,
        "realised_ratio": control.candidate.realised_ratio,
        "mean_top1": control.mean_top1,
        "sd_top1": control.sd_top1,
        "difference": fmean(differences) if differences else None,
        "sd_difference": stdev(differences) if len(differences) > 1 else None,
        "pairs": len(differences),
    }
