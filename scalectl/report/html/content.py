"""What the page shows of one run, whatever was searched: the template knows of nothing else."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import fmean

from scalectl.arch.factory import Baseline
from scalectl.report.account import list_account
from scalectl.report.advice import Step, search_again
from scalectl.report.figures import DescribedFigure
from scalectl.report.figures.style import count_up
from scalectl.report.prose import count_trials
from scalectl.report.render import pluralise
from scalectl.report.tables import Table
from scalectl.search.architectures.results import ArchitectureResults
from scalectl.search.results import Results
from scalectl.trial import Record, list_environments


@dataclass(frozen=True, slots=True)
class Fact:
    """A number at the head of the page: its title, the number, and what it means."""

    title: str
    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: sentences, figures side by side, tables below."""

    title: str
    words: tuple[str, ...] = ()
    figures: tuple[DescribedFigure, ...] = ()
    tables: tuple[Table, ...] = ()
    """Those without rows are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContent:
    """What the template shows of one run, from its verdict to where it comes from."""

    key: str
    """The prefix of the run's ids in the page."""
    name: str
    heading: str
    notices: tuple[str, ...]
    status: str
    """The verdict in a word or two, with "_" for spaces."""
    numbers: tuple[Fact, ...]
    """What was chosen, in three large numbers; none where nothing was."""
    sentence: str
    reason: str
    claims: tuple[str, ...]
    """What the confirmation allows to say."""
    facts: tuple[Fact, ...]
    steps: tuple[Step, ...]
    front: DescribedFigure
    """The figure beside the verdict."""
    sections: tuple[Section, ...]
    provenance: tuple[tuple[str, str], ...]


def arrange(
    drawn: Mapping[str, DescribedFigure],
    tables: Mapping[str, Table],
    words: Sequence[str],
    *parts: tuple[str, str, str],
) -> tuple[Section, ...]:
    """Arrange figures and tables in sections, each a title and both kinds of names with spaces between.

    The words stand in the first section.
    """
    return tuple(
        Section(
            title=title,
            words=() if number else tuple(words),
            figures=tuple(drawn[name] for name in figures.split()),
            tables=tuple(tables[name] for name in names.split()),
        )
        for number, (title, figures, names) in enumerate(parts)
    )


def list_notices(results: Results | ArchitectureResults) -> Iterator[str]:
    """Yield what a reader has to know before anything else."""
    note, damaged, outlook = results.records[0].trial.data.note, results.damaged, results.outlook
    if note:
        yield f"{note}."
    if damaged:
        were = "files were" if len(damaged) > 1 else "file was"
        reasons = "; ".join(f"{file.path.name}: {file.reason}" for file in damaged)
        yield f"{len(damaged)} damaged {were} left out: {reasons}."
    if outlook and not outlook.is_over:
        yield f"Unfinished: {count_trials(outlook)} trials are over. All below rests on these."


def sign(part: float) -> str:
    """Write a difference in hundredths with its sign, such as "+1.24"."""
    return f"{100 * part:+.2f}".replace("-", "\N{MINUS SIGN}")


def sum_up_spending(records: Sequence[Record]) -> Fact:
    """State what all trainings of a run have cost."""
    macs = sum(record.macs_spent for record in records)
    hours = sum(record.seconds for record in records) / 3600
    return Fact(
        "At what cost",
        pluralise(len(records), "trial"),
        f"{count_up(macs)} multiply-adds of training, {hours:.1f} hours of one worker",
    )


def list_provenance(
    results: Results | ArchitectureResults, run: str, baseline: Baseline, seeds: Iterable[int]
) -> Iterator[tuple[str, str]]:
    """Yield pairs of a heading and a text: what a run was made with and from.

    `run` is the path as commands name it.
    """
    records, trial = results.records, results.records[0].trial
    card = trial.data
    yield "Report", f"scalectl {version('scalectl')}"
    environments = list_environments(records)
    for number, environment in enumerate(environments, 1):
        name = f"Trained with ({number})" if len(environments) > 1 else "Trained with"
        yield name, ", ".join(f"{key} {value}" for key, value in environment.items())
    yield "Baseline", f"{baseline.name} at {baseline.resolution} px"
    sizes = ", ".join(f"{count:,} {split}" for split, count in card.sizes.items())
    yield "Data", f"{card.name}: {card.classes} classes, {sizes}; native size {card.native} px"
    yield from list_account(card)
    yield "Digests", ", ".join(f"{split} {digest}" for split, digest in card.digests.items())
    yield "Recipe", ", ".join(f"{key} {value}" for key, value in asdict(trial.recipe).items())
    if searched_by := search_again(results, run):
        yield "Searched by", searched_by
    yield "Reported by", f"{shlex.join(['scalectl', 'report', run])} --html FILE"
    yield "Seeds", ", ".join(map(str, seeds))
    spent = [record.peak_memory for record in records if record.peak_memory]
    if spent:
        yield "Memory", f"{fmean(spent) / 2**20:,.0f} MiB for a trial on average"
