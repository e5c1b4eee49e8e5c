"""The choice against the controls at equal compute, seed by seed."""

from collections.abc import Mapping
from statistics import fmean, stdev

from scalectl.analysis.confirmation import place
from scalectl.analysis.summaries import Summary
from scalectl.report.tables import Column, Table
from scalectl.search.results import Results
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


def tabulate(results: Results) -> Table:
    """Compare the recommended network with each control, by seed; notes say why a control has no row."""
    selection = results.selection
    reference = selection.network
    note = (
        f"The reference is {reference.candidate.coefficients}, which is recommended."
        if reference
        else "No result."
    )
    scores = list_scores(results.searched)
    return Table(
        name="controls",
        title="Controls at the same compute, paired by seed",
        columns=COLUMNS,
        rows=tuple(
            _compare(control, reference, scores)
            for control in sorted(results.summaries, key=lambda summary: place(summary.candidate))
            if control.candidate.control
        ),
        notes=(
            note,
            "The baseline has half the compute.",
            *(f"{control}: {reason}." for control, reason in results.absent.items()),
        ),
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
