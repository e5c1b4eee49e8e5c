"""Commands in processes of their own that start at once, to be killed at any moment.

A server, which is this file as a program, has torch and scalectl loaded; each command is forked
from it. It has one thread, so that forking it is sound.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

NET = """
[architecture]
resolution = 64
stem_width = 8
activation = "relu"

[[architecture.stages]]
block = "basic"
repeats = 2
width = 8
stride = 2
"""
SMALL = (
    "seeds=1",
    "design.degree=1",
    "design.max_candidates=2",
    "design.max_deviation=1",
    "proxy.train_images=16",
    "proxy.select_images=16",
    "proxy.test_images=16",
    "proxy.width=1",
    "proxy.resolution=12",
    "proxy.batch_size=8",
    "proxy.epochs=2",
    "proxy.ema=0.9",
)
"""A search of four real trainings in a quarter of a second."""
EPOCHS = 2
TRIALS = 4


def search_in(folder: Path) -> list[str]:
    """The arguments of the small search, for a run in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.toml").write_text(NET)
    settings = [part for override in SMALL for part in ("--set", override)]
    return ["grid", "-o", "run", "--baseline", "net.toml", "--executor", "inline", *settings]


MEASURED = {"seconds", "mean_seconds", "peak_memory"}
"""What no two trainings have in common; everything else has to be equal to the last bit."""


def table(run: Path) -> str:
    """What `report --json` prints of a run, without what was measured."""
    from click.testing import CliRunner

    from scalectl.cli import main

    def strip(value: Any) -> Any:
        if isinstance(value, list):
            return [strip(part) for part in value]
        if isinstance(value, dict):
            return {key: strip(part) for key, part in value.items() if key not in MEASURED}
        return value

    result = CliRunner().invoke(main, ["report", str(run), "--json"])
    assert result.exit_code == 0, result.stderr
    return json.dumps(strip(json.loads(result.stdout)))


class CommandServer:
    """The server; closing it ends it."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._server.__exit__(None, None, None)

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        fault: tuple[str, int] | None = None,
        bug: str = "",
    ) -> int:
        """The process of a command that runs in `folder`; what it says goes to files there."""
        order = {"arguments": arguments, "folder": str(folder), "fault": fault, "bug": bug}
        return int(self._ask({"start": order}))

    def wait(self, process: int) -> int:
        """Its exit code; minus the signal that killed it."""
        return int(self._ask({"wait": process}))

    def run(self, arguments: Sequence[str], folder: Path, **planted: Any) -> int:
        """Start and wait."""
        return self.wait(self.start(arguments, folder, **planted))

    def _ask(self, question: dict[str, Any]) -> str:
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps(question), file=self._server.stdin, flush=True)
        return self._server.stdout.readline()


def count_kills(
    server: CommandServer,
    make_arguments: Callable[[Path], Sequence[str]],
    calls: range,
    folder: Path,
    undisturbed: str,
) -> int:
    """Kill a search at each of these calls, up to its last one, and run it again to the same table.

    Returns how often it was killed.
    """
    for kills, number in enumerate(calls):
        place = folder / str(number)
        arguments = make_arguments(place)
        if server.run(arguments, place, fault=("kill", number)) == 0:
            return kills
        assert server.run(arguments, place) == 0
        assert table(place / "run") == undisturbed
    return len(calls)


def serve() -> None:
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        # What torch and others load at first use is loaded for all commands.
        run_here(search_in(Path(name)), Path(name))
    for line in sys.stdin:
        ((question, subject),) = json.loads(line).items()
        if question == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(subject, 0)[1]), flush=True)
        elif child := os.fork():
            print(child, flush=True)
        else:
            work(subject)


def run_here(arguments: Sequence[str], folder: Path) -> None:
    """A command in this process."""
    from click.testing import CliRunner

    from scalectl.cli import main

    os.chdir(folder)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    os.chdir("/")


def work(order: dict[str, Any]) -> None:
    """In the child: plant what was asked for, run the command, leave."""
    import fault_injection

    from scalectl.cli import main
    from scalectl.training import loop

    os.chdir(order["folder"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, flags), stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if order["bug"]:
        fault_injection.BUGS[order["bug"]]()
    if order["fault"]:
        fault_injection.break_at(*order["fault"])
    log, draw = os.open("epochs", flags), loop._draw

    def logged(*arguments: Any) -> Any:
        os.write(log, b"epoch\n")
        return draw(*arguments)

    loop._draw = logged  # type: ignore[assignment]
    code = 1
    try:
        main(order["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
