import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from scalectl.report.progress import Live, describe_trial
from scalectl.search.engine import Begun, Round
from scalectl.search.plan import Plan
from scalectl.store.writer import Store
from scalectl.trial import Heartbeat, Progress, Record, State


def watch(plan: Plan, *, terminal: bool) -> str:
    """What is on the screen after an epoch, a record and a failure."""
    first, second = plan.trials[:2]
    console = Console(file=io.StringIO(), force_terminal=terminal, width=160)
    with Live(console) as live:
        live.show(Round(plan.trials))
        live.show(Heartbeat(trial=first, steps=1))
        live.show(Progress(trial=first, epoch=1, train_loss=2.0, loss=1.5, top1=0.25))
        live._bars.refresh()
        live.show(Record(trial=first, state=State.DONE, top1=0.5, loss=1.25, seconds=3.0))
        live.show(Record(trial=second, state=State.KILLED, error="killed by SIGKILL"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_where_there_is_no_terminal(tiny: Plan) -> None:
    """One for each record, whole."""
    first, second = tiny.trials[:2]
    total = len(tiny.trials)
    assert watch(tiny, terminal=False).splitlines() == [
        f"  1/{total}  {describe_trial(first)}  top-1 50.0%  loss 1.250  3 s",
        f"  2/{total}  {describe_trial(second)}  killed: killed by SIGKILL",
    ]


def test_a_terminal_shows_what_runs(tiny: Plan) -> None:
    """An overall bar, and a line for the running trial."""
    screen = watch(tiny, terminal=True)
    assert "epoch 1/2  loss 1.500  top-1 25.0%" in screen
    assert "search" in screen
    assert "\x1b[" in screen


def test_more_trials_may_come(tiny: Plan, tmp_path: Path) -> None:
    """Counted against the most that there may be; those that come are in the bar."""
    first, second, third = tiny.trials[:3]
    console = Console(file=io.StringIO(), width=160)
    begun = Begun(Store(tmp_path), damaged=(), at_most=5, is_adaptive=True, ended=3)
    with Live(console) as live:
        live.show(begun)
        (overall,) = live._bars.tasks
        for number, trial in enumerate((first, second, third), 1):
            live.show(Round((trial,)))
            assert overall.total is not None
            assert overall.completed < overall.total
            live.show(Record(trial=trial, state=State.DONE, top1=0.5, loss=1.25, seconds=3.0))
            assert overall.completed == overall.total
            assert isinstance(console.file, io.StringIO)
            last = console.file.getvalue().splitlines()[-1]
            assert last.startswith(f"  {number}/<={max(2, number)}  {describe_trial(trial)}")


def test_a_brief_trial_says_so(tiny: Plan) -> None:
    trial = tiny.trials[0]
    brief = replace(trial, purpose="rung", recipe=replace(trial.recipe, epochs=1))
    assert describe_trial(brief) == f"{describe_trial(trial)}, 1 epoch"


def test_every_step_counts(tiny: Plan) -> None:
    """Of the whole search, by its compute; a trial that was trained elsewhere counts at its end."""
    first, second = tiny.trials[:2]
    console = Console(file=io.StringIO(), force_terminal=True)
    with Live(console) as live:
        live.show(Round((first, second)))
        (overall,) = live._bars.tasks
        assert first.steps == 2 * 2
        live.show(Heartbeat(trial=first, steps=1))
        assert overall.completed == pytest.approx(2 * first.candidate.cost.macs / 4)
        live.show(Progress(trial=first, epoch=1, train_loss=2.0, loss=1.5, top1=0.25))
        assert overall.completed == pytest.approx(2 * first.candidate.cost.macs / 2)
        live.show(Record(trial=second, state=State.DONE, top1=0.5, loss=1.25, seconds=3.0))
        live.show(Record(trial=first, state=State.DONE, top1=0.5, loss=1.25, seconds=3.0))
        assert overall.completed == overall.total


def test_a_quiet_one_says_what_must_be_known_alone(tiny: Plan, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=160)
    begun = Begun(Store(tmp_path), damaged=(), at_most=5, is_adaptive=False, ended=3)
    with Live(console, quiet=True) as live:
        live.show(begun)
        live.show(Round(tiny.trials))
        live.show(Record(trial=tiny.trials[0], state=State.DONE, top1=0.5, loss=1.25))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == f"3 of 5 trials are in {tmp_path} already.\n"
