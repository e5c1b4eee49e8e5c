"""Progress of a search: bars on a terminal, plain lines into a file."""

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.live import Live as Screen
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from scalectl.errors import printable
from scalectl.report.heat_map import draw_heat_map
from scalectl.report.prose import count_trials, in_brief, in_words
from scalectl.report.render import pluralise, render
from scalectl.report.tables import tabulate
from scalectl.search.engine import Begun, FollowUp, Judged, Round, Searched, Timing
from scalectl.search.results import Results
from scalectl.trial import Heartbeat, Progress, Record, State, Trial


class Live:
    """Progress bars and lines for the events of a search; the time left is estimated from MACs.

    `quiet`: show no progress, but still what a user must know.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._at_most = 0
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[news]}"),
            # An average over minutes: trials differ, and an eager estimate jumps.
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=quiet or not console.is_terminal,
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

    def show(self, event: object) -> None:
        """Show an event of a search; what says nothing of progress is passed over."""
        match event:
            case Record():
                self._finish(event)
            case Progress():
                self._advance(event)
            case Heartbeat():
                self._count(event.trial, event.steps / event.trial.steps)
            case Round():
                self._expect(event.trials)
            case Begun():
                self._begin(event)
            case Judged():
                self.say(in_brief(event.selection))
            case Searched() if event.asked < event.at_most:
                self.say(f"{event.asked} of at most {event.at_most} trials were enough.")
                self._at_most = 0
            case Timing():
                self.say("Measuring the latency of each candidate.")
            case FollowUp():
                self._follow_up(event)

    def say(self, text: str) -> None:
        """Print a line above the bars, whether quiet or not."""
        self._console.out(printable(text), highlight=False)

    def _begin(self, event: Begun) -> None:
        if event.damaged:
            first = event.damaged[0]
            self.say(
                f"{pluralise(len(event.damaged), 'damaged file')} moved to "
                f"{event.store.folder / 'quarantine'}, to be made again; the first is "
                f"{first.path.name}: {first.reason}."
            )
        total = f"at most {event.at_most}" if event.is_adaptive else str(event.at_most)
        self._say_ended(event.ended, total, f" in {event.store.folder}")
        if event.is_adaptive:
            self._at_most = event.at_most - event.ended

    def _follow_up(self, event: FollowUp) -> None:
        for rejected in event.rejected:
            self.say(
                f"not confirmed at {rejected.coefficients} {rejected.control}: it {rejected.reason}"
            )
        if event.detectable is not None:
            self.say(
                f"The confirmation finds differences of {100 * event.detectable:.2g} points of top-1 with "
                "a power of 80 %."
            )
        self._say_ended(event.ended, str(event.trials))

    def _say_ended(self, ended: int, total: str, where: str = "") -> None:
        if ended:
            self.say(f"{ended} of {total} trials are{where} already.")

    def _expect(self, trials: Sequence[Trial]) -> None:
        self._known += len(trials)
        self._work += sum(map(_work, trials))
        self._bars.update(self._overall, total=self._work)

    def _advance(self, news: Progress) -> None:
        trial = news.trial
        if trial.id not in self._running:
            self._running[trial.id] = self._bars.add_task(
                describe_trial(trial), total=trial.recipe.epochs, news=""
            )
        text = (
            f"epoch {news.epoch}/{trial.recipe.epochs}  loss {news.loss:.3f}  top-1 {news.top1:.1%}"
        )
        self._bars.update(self._running[trial.id], completed=news.epoch, news=text)
        self._count(trial, news.epoch / trial.recipe.epochs)

    def _count(self, trial: Trial, part: float) -> None:
        """Note how much of a trial is done: trials trained elsewhere report only their end."""
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
        if self._at_most:
            total = f"<={max(self._known, self._at_most)}"
        self._bars.update(self._overall, news=f"{self._done}/{total} trials")
        if not self._quiet:
            self.say(f"{self._done:>3}/{total}  {describe_trial(trial)}  {result}")


class Board:
    """A view of runs that other commands train: redrawn on a terminal, else a line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._screen = Screen(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._screen.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._screen.stop()

    def show(self, runs: Sequence[Results]) -> None:
        """Show the runs that have at least one record."""
        if self._console.is_terminal:
            words = "\n\n".join(map(_draw, runs)) or _NOTHING
            self._screen.update(Text.from_ansi(words), refresh=True)
            return
        lines = [f"{run.name}: {_count(run)}. {in_brief(run.selection)}" for run in runs]
        for line in lines or [_NOTHING]:
            self._console.out(printable(line), highlight=False)


_NOTHING = "No trial is over yet."


def _draw(results: Results) -> str:
    """Draw a run with what matters most first: a terminal cuts what is below its last line."""
    parts = [
        printable(f"{results.name}: {_count(results)}"),
        printable(in_words(results)),
        draw_heat_map(results),
        render(tabulate("ranking", results), "rich"),
    ]
    return "\n".join(filter(None, parts))


def _count(results: Results) -> str:
    over = count_trials(results.outlook) if results.outlook else str(len(results.records))
    failed = sum(summary.failed for summary in results.summaries)
    return f"{over} trials, {failed} failed"


def describe_trial(trial: Trial) -> str:
    """Name a trial: candidate, seed, and its purpose where that is not the search."""
    candidate = trial.candidate
    name = candidate.control or "candidate"
    where = f" {candidate.coefficients}" if candidate.shares else ""
    size = f", phi {candidate.phi:g}" if candidate.phi else ""
    apart = {
        "search": "",
        "nas": f", network {candidate.fingerprint}",
        "rung": f", {pluralise(trial.recipe.epochs, 'epoch')}",
        "fidelity": f", {pluralise(trial.recipe.epochs, 'epoch')}",
        "confirm": f"{size}, on test images",
    }[trial.purpose]
    return f"{name}{where} seed {trial.seed}{apart}"


def _work(trial: Trial) -> float:
    return float(trial.candidate.cost.macs * trial.recipe.epochs)
