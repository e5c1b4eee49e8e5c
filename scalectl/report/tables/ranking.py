"""The ranking: how the networks did."""

from scalectl.analysis.selection import Selection, Standing
from scalectl.analysis.summaries import Summary
from scalectl.report.render import pluralise
from scalectl.report.tables import Column, Table
from scalectl.report.tables.candidates import describe_candidate
from scalectl.search.results import Results

COLUMNS = (
    Column("candidate", "candidate"),
    Column("n", "seeds", "d"),
    Column("mean_top1", "top-1", ".2%", essential=True),
    Column("mean_balanced_top1", "balanced top-1", ".2%"),
    Column("mean_loss", "log-loss", ".4f"),
    Column("behind", "behind", ".2%", essential=True),
    Column("behind_low", "95 % from", ".2%"),
    Column("behind_high", "to", ".2%"),
    Column("chance_best", "is best", ".0%"),
    Column("sd_top1", "sd of top-1", ".2%"),
    Column("gap", "train - select", ".1%"),
    Column("failed", "failed", "d"),
    Column("realised_ratio", "realised x", ".3f"),
    Column("activations", "activations", ",d"),
    Column("seconds", "seconds", ".0f"),
    Column("mark", "", essential=True),
)


def tabulate(results: Results) -> Table:
    """List the trained networks, the least expected regret first; then the baseline and what failed."""
    data, recipe = results.records[0].trial.data, results.records[0].trial.recipe
    unequal = data.account is not None and data.account.is_unequal
    evidence = results.selection.evidence
    standings = {each.summary.candidate.fingerprint: each for each in results.selection.standings}
    order = {fingerprint: number for number, fingerprint in enumerate(standings)}
    last = len(order)
    ordered = sorted(
        results.summaries,
        key=lambda each: (order.get(each.candidate.fingerprint, last), -(each.mean_top1 or 0)),
    )
    unit = evidence.percent if evidence else "points of top-1"
    notes = (
        (
            f"Means over seeds of the last epoch on {data.sizes['select']:,} select images of "
            f"{data.name}, after {pluralise(recipe.epochs, 'epoch')} of {data.sizes['train']:,} images."
        ),
        (
            f"behind: the recommended network's lead in {unit}, below 0 where it is not ahead; estimated "
            "from all trainings, without noise and unequal compute, so that it is not the difference of "
            "the means. is best: the chance that no other one is better."
        ),
        _NAMES,
        "balanced top-1: the mean over classes, whatever their sizes." if unequal else "",
        data.note,
    )
    return Table(
        name="ranking",
        title="Ranking",
        columns=tuple(
            column for column in COLUMNS if unequal or column.name != "mean_balanced_top1"
        ),
        rows=tuple(
            _describe(summary, standings.get(summary.candidate.fingerprint), results.selection)
            for summary in ordered
        ),
        notes=tuple(note for note in notes if note),
    )


_NAMES = (
    "depth, width, resolution: all added compute into one; dwr: equal shares; dWr: most into width "
    "(Dollar et al. 2021); paper: (1.2, 1.1, 1.15) of Tan & Le 2019."
)


def _describe(
    summary: Summary, standing: Standing | None, selection: Selection
) -> dict[str, object]:
    is_other = standing is not None and standing is not selection.standing
    behind, low, high = standing.behind if standing and is_other else (None, None, None)
    train, top1, own = summary.mean_train_top1, summary.mean_top1, summary.candidate.fingerprint
    role = "winner" if selection.winner else "recommended"
    roles = {role: selection.network, "highest top-1": selection.argmax}
    marks = [name for name, each in roles.items() if each and each.candidate.fingerprint == own]
    if standing and standing.is_ruled_out:
        marks.append("ruled out")
    return {
        "candidate": summary.candidate.name,
        **describe_summary(summary),
        "behind": behind,
        "behind_low": low,
        "behind_high": high,
        "chance_best": standing and standing.chance_best,
        "gap": None if train is None or top1 is None else train - top1,
        "seconds": summary.mean_seconds,
        "mark": ", ".join(marks),
    }


def describe_summary(summary: Summary) -> dict[str, object]:
    """Describe a candidate and its results under the keys of `--json`."""
    return {
        **describe_candidate(summary.candidate),
        "n": summary.n,
        "failed": summary.failed,
        "mean_top1": summary.mean_top1,
        "mean_balanced_top1": summary.mean_balanced_top1,
        "sd_top1": summary.sd_top1,
        "mean_loss": summary.mean_loss,
        "mean_train_top1": summary.mean_train_top1,
    }
