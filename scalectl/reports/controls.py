"""The choice against what anybody would try first, seed by seed."""

from statistics import fmean, stdev

from scalectl.evidence import Evidence
from scalectl.reports import Column, Table
from scalectl.scaling import NAMED
from scalectl.selection import Summary
from scalectl.trial import State

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
    return Table(
        name="controls",
        title="Controls at the same compute, paired by seed",
        columns=COLUMNS,
        rows=tuple(
            _compare(one, reference, evidence)
            for one in sorted(evidence.summaries, key=_place)
            if one.candidate.control
        ),
        notes=(note, "The baseline has half the compute."),
    )


def _place(summary: Summary) -> int:
    names = list(NAMED)
    control = summary.candidate.control
    return names.index(control) if control in names else len(names)


def _compare(control: Summary, reference: Summary | None, evidence: Evidence) -> dict[str, object]:
    differences: list[float] = []
    if reference:
        ours, theirs = _by_seed(reference, evidence), _by_seed(control, evidence)
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


def _by_seed(summary: Summary, evidence: Evidence) -> dict[int, float]:
    return {
        record.trial.seed: record.top1
        for record in evidence.searched
        if record.trial.candidate.fingerprint == summary.candidate.fingerprint
        and record.state is State.DONE
        and record.top1 is not None
    }
