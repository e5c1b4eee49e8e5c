"""What the page shows of a search of architectures."""

from collections.abc import Iterator

from scalectl.arch.factory import cost_of
from scalectl.report import figures
from scalectl.report.advice import advise_architectures
from scalectl.report.architectures import TABLES, find_status, in_words
from scalectl.report.figures.style import count_up
from scalectl.report.html.content import (
    Fact,
    RunContent,
    arrange,
    list_notices,
    list_provenance,
    sign,
    sum_up_spending,
)
from scalectl.report.render import pluralise
from scalectl.search.architectures.results import ArchitectureResults


def collect(key: str, path: str, results: ArchitectureResults) -> RunContent:
    """Collect all of a run; `path` is its folder or file as commands name it."""
    first, *words = in_words(results).split("\n")
    drawn = {drawing.name: drawing for drawing in figures.draw_all(results)}
    tables = {name: make(results) for name, make in TABLES.items()}
    seeds = sorted({record.trial.seed for record in results.records})

    return RunContent(
        key=key,
        name=results.name,
        heading=f"What the stages of {results.start.name} should be",
        notices=tuple(list_notices(results)),
        status=find_status(results),
        numbers=tuple(_list_numbers(results)),
        sentence=first,
        reason="",
        claims=tuple(confirmation.claim for confirmation in results.confirmations),
        facts=tuple(_list_facts(results)),
        steps=advise_architectures(results, path),
        front=drawn["front"],
        sections=arrange(
            drawn,
            tables,
            words,
            ("The winner", "", "stages"),
            ("Accuracy and cost", "", "networks front"),
            ("What each choice did", "choices", "importances"),
            ("Who proposed what", "", "samplers failures"),
            ("Does it hold?", "confirmation", "confirmation"),
        ),
        provenance=tuple(list_provenance(results, path, results.start, seeds)),
    )


def _list_numbers(results: ArchitectureResults) -> Iterator[Fact]:
    """Yield what the winner costs, beside the baseline, and the top-1 of its proxy."""
    if results.winner is None:
        return
    ours, theirs = cost_of(results.winner.architecture), cost_of(results.start)
    for title, mine, base in (
        ("MACs", ours.macs, theirs.macs),
        ("Parameters", ours.params, theirs.params),
    ):
        yield Fact(title, count_up(mine), f"{mine / base:.2f} x baseline")
    yield Fact("Top-1", f"{results.winner.top1:.1%}", "of its proxy")


def _list_facts(results: ArchitectureResults) -> Iterator[Fact]:
    """Yield the objective, what the confirmation found, and what the search has cost."""
    winner = results.winner
    if winner:
        yield Fact(
            "Objective",
            f"{winner.score:.4f}",
            f"of one training, the best of {pluralise(len(results.networks), 'network')}: flattered by noise",
        )
    comparisons = results.confirmation.comparisons if results.confirmation else ()
    compared = {each.control.control: each.top1 for each in comparisons}
    for control, name in (("start", "the baseline"), ("random", "random search")):
        if difference := compared.get(control):
            between = ""
            if difference.interval:
                low, high = map(sign, difference.interval)
                between = f" (95 %: {low} to {high})"
            seeds = pluralise(len(difference.by_seed), "fresh seed")
            words = f"points of top-1 at equal MACs, {seeds}{between}"
            yield Fact(f"Against {name}", sign(difference.mean), words)
    yield sum_up_spending(results.records)
