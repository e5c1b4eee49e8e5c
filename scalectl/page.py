"""The report as one page: opens from the disk, needs no network, and runs no script but its own."""

import base64
import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from statistics import fmean

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from scalectl import __version__, figures
from scalectl.evidence import Evidence
from scalectl.figures.style import COLOURS, count_up, is_chosen
from scalectl.render import plain, printable, show
from scalectl.reports import Table, tabulate
from scalectl.reports.advice import Step, advise, search_again
from scalectl.reports.candidates import label
from scalectl.reports.comparison import tabulate_runs
from scalectl.reports.literature import tabulate_literature
from scalectl.reports.verdict import count_trials, in_a_sentence, in_words


@dataclass(frozen=True, slots=True)
class Fact:
    """A number that is seen first, and what it is."""

    title: str
    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value of a table."""

    shown: str
    plain: str
    """As it is copied."""
    curve: str
    """Points of a line, for an SVG of 100 x 20; or ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table with its cells."""

    table: Table
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure with its words, or the words that say what is missing."""

    name: str
    title: str
    svg: Markup | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A question, and what answers it."""

    title: str
    drawings: tuple[Drawing, ...]
    grids: tuple[Grid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that the page says of one run."""

    key: str
    """Before each of its ids."""
    name: str
    status: str
    progress: str
    evidence: Evidence
    sentence: str
    words: tuple[str, ...]
    coefficients: tuple[tuple[str, str, float], ...]
    facts: tuple[Fact, ...]
    steps: tuple[Step, ...]
    triangle: Drawing
    controls: Grid
    sections: tuple[Section, ...]
    provenance: tuple[tuple[str, str], ...]


def build(found: Sequence[tuple[str, Evidence]]) -> bytes:
    """The page for runs and their evidence; each run as commands name it. The same bytes each time."""
    template = resources.files("scalectl").joinpath("page.html").read_text("utf-8")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalise,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    runs = [_describe(f"r{number}", *one) for number, one in enumerate(found, 1)]
    several = _fill(tabulate_runs([one for _, one in found])) if len(found) > 1 else None
    script = resources.files("scalectl").joinpath("page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.from_string(template).render(
        runs=runs,
        comparison=several,
        version=__version__,
        # Nothing in it comes from a run, and its digest is what the page's policy lets run.
        script=Markup(script),  # noqa: S704
        digest=digest,
    )
    return page.encode()


def _finalise(value: object) -> object:
    """Of all that the template shows: no sign that could turn or hide others (PROMISES 11)."""
    return printable(value) if type(value) is str else value


def _describe(key: str, run: str, evidence: Evidence) -> Run:
    drawings = {one.name: _inline(one, key) for one in figures.list_pictures(evidence)}
    grids = {
        name: _fill(tabulate(name, evidence))
        for name in (
            *("candidates", "ranking", "controls", "family", "frontier"),
            *("curves", "fit", "confirmation", "fidelity", "failures"),
        )
    }
    coefficients = evidence.selection.recommended
    return Run(
        key=key,
        name=printable(evidence.name),
        status=evidence.selection.status.replace("_", " ").upper(),
        progress=count_trials(evidence.outlook) if evidence.outlook else "",
        evidence=evidence,
        sentence=in_a_sentence(evidence),
        words=tuple(in_words(evidence).split("\n")),
        coefficients=(
            ("alpha", "depth", coefficients.alpha),
            ("beta", "width", coefficients.beta),
            ("gamma", "resolution", coefficients.gamma),
        ),
        facts=tuple(_list_facts(evidence)),
        steps=advise(evidence, run),
        triangle=drawings["triangle"],
        controls=grids["controls"],
        sections=tuple(_arrange(drawings, grids)),
        provenance=tuple(_list_provenance(evidence, run)),
    )


def _arrange(drawings: dict[str, Drawing], grids: dict[str, Grid]) -> Iterator[Section]:
    for title, pictures, tables in (
        (
            "Accuracy and cost",
            ("frontier", "costs", "latency"),
            ("ranking", "frontier", "candidates"),
        ),
        ("Training and fit", ("curves", "diagnostics"), ("curves", "fit", "failures")),
        ("Does it hold?", ("confirmation", "fidelity"), ("confirmation", "fidelity")),
        ("The family", ("family",), ("family",)),
    ):
        filled = [grids[name] for name in tables if grids[name].rows]
        if "family" in tables:
            filled.append(_fill(tabulate_literature()))
        drawn = tuple(drawings[name] for name in pictures)
        yield Section(title=title, drawings=drawn, grids=tuple(filled))


def _list_facts(evidence: Evidence) -> Iterator[Fact]:
    """How good, how sure, compared with what, at what cost."""
    selection, trial = evidence.selection, evidence.records[0].trial
    chosen = next((one for one in evidence.summaries if is_chosen(one, evidence) and one.n), None)
    if chosen and chosen.mean_top1 is not None:
        sd = "" if chosen.sd_top1 is None else f"sd {100 * chosen.sd_top1:.2f} points, "
        images = trial.data.sizes.get("select")
        split = f"{images:,} select images" if images else "the select split"
        yield Fact(
            "Top-1",
            f"{chosen.mean_top1:.1%}",
            f"of {label(chosen.candidate)}: {sd}{chosen.n} seeds, {split}, "
            f"{trial.recipe.epochs} epochs",
        )
    if selection.indifference:
        area = selection.indifference
        chance = selection.chances.get(chosen.candidate.fingerprint) if chosen else None
        best = "" if chance is None else f"; it is the best with a chance of {chance:.0%}"
        yield Fact(
            "How sure",
            f"{area.fraction:.0%}",
            f"of the triangle cannot be told from the best by {100 * area.delta:.1f} points{best}",
        )
    singles = [
        one
        for one in evidence.summaries
        if one.candidate.control in ("depth", "width", "resolution") and one.mean_top1 is not None
    ]
    if chosen and chosen.mean_top1 is not None and singles:
        best_single = max(singles, key=lambda one: one.mean_top1 or 0)
        gain = 100 * (chosen.mean_top1 - (best_single.mean_top1 or 0))
        yield Fact(
            "Compared with",
            f"{gain:+.2f}".replace("-", "\N{MINUS SIGN}"),
            f"points against {best_single.candidate.control}, the best single dimension at equal compute",
        )
    macs = sum(record.macs_spent for record in evidence.records)
    hours = sum(record.seconds for record in evidence.records) / 3600
    yield Fact(
        "At what cost",
        f"{len(evidence.records)} trials",
        f"{count_up(macs)} multiply-adds of training, {hours:.1f} hours of one worker",
    )


def _list_provenance(evidence: Evidence, run: str) -> Iterator[tuple[str, str]]:
    trial = evidence.records[0].trial
    card = trial.data
    yield "Report", f"scalectl {__version__}"
    for number, environment in enumerate(evidence.fingerprints, 1):
        name = f"Trained with ({number})" if len(evidence.fingerprints) > 1 else "Trained with"
        yield name, ", ".join(f"{key} {value}" for key, value in environment.items())
    yield "Baseline", f"{trial.baseline.name} at {trial.baseline.resolution} px"
    sizes = ", ".join(f"{count:,} {split}" for split, count in card.sizes.items())
    yield "Data", f"{card.name}: {card.classes} classes, {sizes}; native size {card.native} px"
    yield "Digests", ", ".join(f"{split} {digest}" for split, digest in card.digests.items())
    yield "Recipe", ", ".join(f"{key} {value}" for key, value in asdict(trial.recipe).items())
    yield "Searched by", search_again(evidence, run)
    yield "Reported by", f"{shlex.join(['scalectl', 'report', run])} --html FILE"
    yield "Seeds", ", ".join(map(str, evidence.seeds))
    spent = [record.peak_memory for record in evidence.records if record.peak_memory]
    if spent:
        yield "Memory", f"{fmean(spent) / 2**20:,.0f} MiB for a trial on average"


def _fill(table: Table) -> Grid:
    return Grid(
        table=table,
        rows=tuple(
            tuple(
                Cell(
                    shown=show(row[column.name], column),
                    plain=printable(
                        "" if row[column.name] is None else str(plain(row[column.name]))
                    ),
                    curve=_trace(row[column.name]),
                )
                for column in table.columns
            )
            for row in table.rows
        ),
    )


def _trace(value: object) -> str:
    if not isinstance(value, tuple) or len(value) < 2:
        return ""
    low, high = min(value), max(value)
    return " ".join(
        f"{100 * number / (len(value) - 1):.1f},{18 - 16 * (one - low) / ((high - low) or 1):.1f}"
        for number, one in enumerate(value)
    )


def _inline(picture: figures.Picture, key: str) -> Drawing:
    """A figure as part of a page: its colours are the page's, its ids its own."""
    if picture.figure is None:
        return Drawing(name=picture.name, title=picture.title, svg=None, text=picture.text)
    svg = figures.encode(picture.figure, "svg").decode()
    view = re.search(r'viewBox="([\d. ]+)"', svg)
    assert view is not None
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    body = body[body.index(">", body.index("<svg")) + 1 :]
    body = re.sub(r'( id="|url\(#|href="#)', rf"\1{key}-{picture.name}-", body)
    body = re.sub(r'(?<= )(?:d|x|y|transform)="[^"]*"', _shorten, body)
    body = re.sub(r"font(?:-family)?: [^;\"]*'DejaVu Sans'[^;\"]*", _resize, body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    words = escape(printable(f"{picture.title}. {picture.text}"))
    # matplotlib has escaped what it was given.
    root = Markup(f'<svg role="img" viewBox="{view[1]}" aria-label="{words}">{body}')  # noqa: S704
    return Drawing(name=picture.name, title=picture.title, svg=root, text=picture.text)


def _shorten(found: re.Match[str]) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", found[0])


def _resize(found: re.Match[str]) -> str:
    """The size and weight of a font without its name: the page has its own."""
    size = re.search(r"[\d.]+px", found[0])
    weight = "font-weight: 600; " if re.search(r"bold|700", found[0]) else ""
    return f"{weight}font-size: {size[0]}" if size else "font-style: normal"
