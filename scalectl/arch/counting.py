"""Count users' networks in a process of its own, since their code may crash, leave or never end.

The process answers requests, lines of JSON on its stdin, and ends with the one that started it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from queue import SimpleQueue
from select import select
from typing import Any

from scalectl.arch import orphans
from scalectl.arch.users_code import Call, count, rehearse
from scalectl.errors import ScalectlError

LIMIT = 600.0
"""Seconds that the answer to one request may take, imports included."""
_PATIENCE = 5.0
"""Seconds that a process may take to leave once its pipes are closed."""
_TASKS: dict[str, Callable[[Call], Any]] = {"count": count, "rehearse": rehearse}


class LostError(Exception):
    """The process has not answered: why."""


def ask(task: str, call: Call) -> Any:
    """Have a function of `scalectl.arch.users_code` called; return its plain value.

    Raises `ScalectlError` as the function does, and `LostError` where it does not return.
    """
    counter = _start_counter(os.getcwd(), tuple(sys.path))  # noqa: PTH109
    try:
        answer = counter.ask(task, call)
    except BaseException:  # Ctrl-C too: an answer that comes later must not be taken for another's
        counter.close()
        _start_counter.cache_clear()
        raise
    if "error" in answer:
        raise ScalectlError(*answer["error"])
    return answer["value"]


class _Counter:
    """The other end of a process that counts."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scalectl.arch.counting"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                **orphans.list_variables(),
                "PYTHONPATH": os.pathsep.join(filter(None, path)),
            },
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )
        self.close = weakref.finalize(self, _end, self._process)

    def ask(self, task: str, call: Call) -> dict[str, Any]:
        """Send a request, and wait for the answer. Raises `LostError` where there is none."""
        process = self._process
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps([task, *call]).encode() + b"\n")
            process.stdin.flush()
        if not select([process.stdout], [], [], LIMIT)[0]:
            raise LostError(f"has not ended after {LIMIT:g} seconds, and was stopped")
        line = process.stdout.readline()
        if not line:
            raise LostError(f"ended the process in which it was counted: {_explain(process)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


# One at a time: a command stays in its folder, and the next one needs another process.
_start_counter = lru_cache(maxsize=1)(lambda _folder, path: _Counter(path))


def _explain(process: "subprocess.Popen[bytes]") -> str:
    try:
        code = process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return "it closed all of its files"
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    orphans.end(process.pid)
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            assert pipe
            pipe.close()


def serve() -> None:
    """Answer requests until the process that sends them is gone."""
    orphans.mark_own()
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # stdout belongs to the document of the command
    queue = SimpleQueue[list[Any]]()
    threading.Thread(target=_listen, args=(requests, queue.put), daemon=True).start()
    while True:
        task, *call = queue.get()
        try:
            answer = {"value": _TASKS[task](Call(*call))}
        except ScalectlError as problem:
            answer = {"error": (problem.message, problem.hint)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _listen(requests: Any, put: Callable[[list[Any]], None]) -> None:
    for line in requests:
        put(json.loads(line))
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    serve()
