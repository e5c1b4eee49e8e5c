"""Tables in a real terminal of any width: columns are left out, and no number is cut."""

import os
import pty
import re
import subprocess
import sys

import pytest
from factories import RECORDS

WIDTHS = (40, 60, 80, 100, 132, 200)
LINES = (
    "scale --coefficients paper --phi 1..7",
    "scale --baseline regnety_016 --coefficients paper --macs 30G",
    "profile b7 --per-stage",
    "baselines efficientnet_b0",
    f"report {RECORDS} --all",
    "grid --dry-run --no-probe --set design.degree=2",
)
# One process for all: a terminal may change its width at any time.
PROGRAM = """
import fcntl, struct, sys, termios
from scalectl.cli import main
widths, lines = eval(sys.argv[1])
for width in widths:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    for line in lines:
        print("\\x1e", end="", flush=True)
        try:
            main(line.split())
        except SystemExit as end:
            assert not end.code, line
"""


@pytest.fixture(scope="module")
def screens() -> dict[tuple[int, str], str]:
    """What is printed, by the terminal's width and the command."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, repr((WIDTHS, LINES))]
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment
    ) as run:
        os.close(theirs)
        printed = read(ours)
    assert run.returncode == 0, printed[-2000:]
    parts = printed.split("\x1e")[1:]
    keys = [(width, line) for width in WIDTHS for line in LINES]
    return {
        key: re.sub(r"\x1b\[[\d;]*m|\r", "", text) for key, text in zip(keys, parts, strict=True)
    }


def read(terminal: int) -> str:
    """Read until the other end is closed."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # as Linux says it
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


def list_numbers(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,.]*\d|\d", text))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(width: int, line: str, screens: dict[tuple[int, str], str]) -> None:
    """All that stand on a narrow screen stand on a wide one too, and only sentences go on below."""
    narrow, wide = (list_numbers(screens[each, line]) for each in (width, 200))
    assert narrow
    assert not narrow - wide
    long = [row for row in screens[width, line].splitlines() if len(row) > width]
    assert not [row for row in long if "   " in row.strip()]
