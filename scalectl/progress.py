"""A running search on the terminal: bars where there is one, plain lines where there is none."""

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.live import Live as Screen
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from scalectl.evidence import Evidence
from scalectl.render import draw_heat_map, printable, render
from scalectl.reports import tabulate
from scalectl.reports.heatmap import tabulate_surface
from scalectl.reports.verdict import count_trials, in_a_sentence, in_words
from scalectl.trial import News, Progress, Record, State, Trial


class Live:
    """Shows news of trials until it is closed. Time left counts MACs, not trials.

    What will come is announced (`expect`). Where that depends on what is found, `at_most` is how many
    there may be in the end; the time left is that of those which are known.
    """

    def __init__(self, console: Console, at_most: int | None = None) -> None:
        self._console = console
        self._at_most = at_most
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[news]}"),
            # An average over minutes: trials differ, and an eager estimate jumps.
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
            speed_estimate_period=600,
            transient=True,
        )
        self._known = 0
        self._done = 0
        self._work = 0.0
        self._overall = self._bars.add_task("search", total=0, news="")
        self._running: dict[str, TaskID] = {}
        self._parts: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._bars.stop()

    def expect(self, trials: Sequence[Trial]) -> None:
        """More of them."""
        self._known += len(trials)
        self._work += sum(map(_work, trials))
        self._bars.update(self._overall, total=self._work)

    def show(self, news: News) -> None:
        """A sign of life, one more epoch, or one more record."""
        if isinstance(news, Record):
            self._finish(news)
        elif isinstance(news, Progress):
            self._advance(news)
        else:
            self._count(news.trial, news.steps / news.trial.steps)

    def _advance(self, news: Progress) -> None:
        trial = news.trial
        if trial.id not in self._running:
            self._running[trial.id] = self._bars.add_task(
                describe(trial), total=trial.recipe.epochs, news=""
            )
        text = (
            f"epoch {news.epoch}/{trial.recipe.epochs}  loss {news.loss:.3f}  top-1 {news.top1:.1%}"
        )
        self._bars.update(self._running[trial.id], completed=news.epoch, news=text)
        self._count(trial, news.epoch / trial.recipe.epochs)

    def _count(self, trial: Trial, part: float) -> None:
        """Of a trial that was continued or trained elsewhere, some epochs were never heard of."""
        self._parts[trial.id] = part * _work(trial)
        self._bars.update(self._overall, completed=sum(self._parts.values()))

    def _finish(self, record: Record) -> None:
        trial = record.trial
        self._done += 1
        self._count(trial, 1.0)
        if trial.id in self._running:
            self._bars.remove_task(self._running.pop(trial.id))
        if record.state is State.DONE:
            result = f"top-1 {record.top1:.1%}  loss {record.loss:.3f}  {record.seconds:.0f} s"
        else:
            result = f"{record.state}: {record.error}"
        total = str(self._known)
        if self._at_most is not None:
            total = f"<={max(self._known, self._at_most)}"
        self._bars.update(self._overall, news=f"{self._done}/{total} trials")
        self._console.print(
            printable(f"{self._done:>3}/{total}  {describe(trial)}  {result}"),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


class Board:
    """What followed runs hold, until it is closed: redrawn on a terminal, else a line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._screen = Screen(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._screen.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._screen.stop()

    def show(self, found: Sequence[Evidence]) -> None:
        """The runs of which anything is over."""
        if self._console.is_terminal:
            words = "\n\n".join(map(_draw, found)) or _NOTHING
            self._screen.update(Text.from_ansi(words), refresh=True)
            return
        lines = [f"{one.name}: {_count(one)}. {in_a_sentence(one)}" for one in found]
        for line in lines or [_NOTHING]:
            self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


_NOTHING = "No trial is over yet."


def _draw(evidence: Evidence) -> str:
    """The first lines matter most: what is below the terminal's last one is not seen."""
    heat_map = tabulate_surface(evidence)
    return "\n".join(
        [
            printable(f"{evidence.name}: {_count(evidence)}"),
            printable(in_words(evidence)),
            *([draw_heat_map(heat_map)] if heat_map else []),
            render(tabulate("ranking", evidence), "rich"),
        ]
    )


def _count(evidence: Evidence) -> str:
    over = count_trials(evidence.outlook) if evidence.outlook else str(len(evidence.records))
    failed = sum(summary.failed for summary in evidence.summaries)
    return f"{over} trials, {failed} failed"


def describe(trial: Trial) -> str:
    """The coefficients, the name if there is one, the seed, and what sets it apart from a search's trials."""
    candidate = trial.candidate
    name = candidate.control or "candidate"
    where = "" if candidate.control == "baseline" else f" {candidate.coefficients}"
    apart = {
        "search": "",
        "rung": f", {trial.recipe.epochs} epochs",
        "fidelity": f", {trial.recipe.epochs} epochs",
        "confirm": f", phi {candidate.phi:g}, on test images",
    }[trial.stage]
    return f"{name}{where} seed {trial.seed}{apart}"


def _work(trial: Trial) -> float:
    return float(trial.candidate.cost.macs * trial.recipe.epochs)
