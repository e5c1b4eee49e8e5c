import multiprocessing
from dataclasses import replace

import pytest

from scalectl.executors import EXECUTORS, Workspace, make_executor
from scalectl.search import Plan
from scalectl.trial import Record, State


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_trial_gets_one_record(name: str, tiny: Plan, workspace: Workspace) -> None:
    """A trial that fails is one of them, and the others do not notice."""
    first = tiny.trials[0]
    broken = replace(first, seed=7, data=replace(first.data, digests=dict.fromkeys("ab", "")))
    trials = [broken, *tiny.trials[:2]]
    news = list(make_executor(name, 2).run(trials, workspace))
    records = {one.trial.id: one.state for one in news if isinstance(one, Record)}
    assert len([one for one in news if isinstance(one, Record)]) == 3
    assert records == {
        broken.id: State.ERROR,
        tiny.trials[0].id: State.DONE,
        tiny.trials[1].id: State.DONE,
    }


def test_executors_agree_to_the_last_bit(tiny: Plan, workspace: Workspace) -> None:
    """Results do not depend on where a trial runs."""
    curves = [
        [one.curve for one in make_executor(name, 1).run(tiny.trials[:1], workspace)
         if isinstance(one, Record)]
        for name in EXECUTORS
    ]  # fmt: skip
    assert curves[0] == curves[1]


def test_a_killed_process_takes_its_own_trial_alone(tiny: Plan, workspace: Workspace) -> None:
    """SIGKILL in the middle of a training, as the kernel does when memory is short."""
    victim, state = tiny.trials[0], {}
    for news in make_executor("processes", 1).run(tiny.trials[:2], workspace):
        if isinstance(news, Record):
            state[news.trial.id] = news.state, news.error
        elif news.trial.id == victim.id:
            for process in multiprocessing.active_children():
                process.kill()
    assert state[victim.id] == (State.KILLED, "the process was killed by SIGKILL")
    assert state[tiny.trials[1].id] == (State.DONE, "")


def test_closing_leaves_no_process(tiny: Plan, workspace: Workspace) -> None:
    """As Ctrl-C does."""
    news = make_executor("processes", 2).run(tiny.trials[:2], workspace)
    next(news)
    assert multiprocessing.active_children()
    news.close()
    assert not multiprocessing.active_children()
