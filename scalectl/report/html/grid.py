"""What the page shows of a search of coefficients."""

from collections.abc import Iterator

from scalectl.analysis.evidence import say_amount
from scalectl.report import figures
from scalectl.report.advice import advise
from scalectl.report.html.content import (
    Fact,
    RunContent,
    arrange,
    list_notices,
    list_provenance,
    sign,
    sum_up_spending,
)
from scalectl.report.prose import in_brief, in_words
from scalectl.report.published import tabulate_literature
from scalectl.report.render import pluralise
from scalectl.report.tables import TABLES, tabulate
from scalectl.search.results import Results


def collect(key: str, path: str, results: Results) -> RunContent:
    """Collect all of a run; `path` is its folder or file as commands name it."""
    selection, trial = results.selection, results.records[0].trial
    _, *words = in_words(results).split("\n")
    drawn = {drawing.name: drawing for drawing in figures.draw_all(results)}
    tables = {name: tabulate(name, results) for name in TABLES}
    tables["literature"] = tabulate_literature()

    return RunContent(
        key=key,
        name=results.name,
        heading=f"How to scale {trial.baseline.name}",
        notices=tuple(list_notices(results)),
        status=selection.status,
        numbers=tuple(
            Fact(letter, f"{getattr(selection.recommended, letter):.3f}", dimension)
            for letter, dimension in (
                ("alpha", "depth"),
                ("beta", "width"),
                ("gamma", "resolution"),
            )
        ),
        sentence=in_brief(selection),
        reason=selection.reason,
        claims=tuple(confirmation.claim for confirmation in results.confirmations),
        facts=tuple(_list_facts(results)),
        steps=advise(results, path),
        front=drawn["triangle"],
        sections=arrange(
            drawn,
            tables,
            words,
            ("Compared with what", "", "controls"),
            ("Accuracy and cost", "frontier costs latency", "ranking frontier candidates"),
            ("Training and fit", "curves diagnostics", "curves fit failures"),
            ("Does it hold?", "confirmation fidelity", "confirmation fidelity"),
            ("The family", "family", "family literature"),
        ),
        provenance=tuple(list_provenance(results, path, trial.baseline, results.seeds)),
    )


def _list_facts(results: Results) -> Iterator[Fact]:
    """Yield top-1, expected regret, lead on the best single dimension, and what the search has cost."""
    selection, trial = results.selection, results.records[0].trial
    chosen = selection.network
    if chosen and chosen.mean_top1 is not None:
        sd = "" if chosen.sd_top1 is None else f"sd {100 * chosen.sd_top1:.2f} points, "
        yield Fact(
            "Top-1",
            f"{chosen.mean_top1:.1%}",
            f"of {chosen.candidate.name}: {sd}{pluralise(chosen.n, 'seed')}, "
            f"{trial.data.sizes['select']:,} select images, {pluralise(trial.recipe.epochs, 'epoch')}",
        )
    evidence, standing = selection.evidence, selection.standing
    if evidence and standing:
        yield Fact(
            "It may lose",
            say_amount(standing.regret, evidence),
            f"against the best of these networks is expected, at most "
            f"{say_amount(standing.bound, evidence)} with 95 %; it is within "
            f"{say_amount(evidence.delta, evidence)} with {standing.chance_within:.0%}",
        )
    singles = [
        each
        for each in selection.standings
        if each.summary.candidate.control in ("depth", "width", "resolution")
        and each is not standing
    ]
    if evidence and singles:
        gain, low, high = map(sign, singles[0].behind)
        yield Fact(
            "Compared with",
            gain,
            f"{evidence.percent} against {singles[0].summary.candidate.control}, the best single dimension at "
            f"equal compute (95 %: {low} to {high})",
        )
    yield sum_up_spending(results.records)
