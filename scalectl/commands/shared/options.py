"""Options that several commands have, and the checks and hints of their values."""

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scalectl.executors import EXECUTORS
from scalectl.parsing import expand_home, parse_duration, suggest

if TYPE_CHECKING:  # slow to load: `--help` does without
    from scalectl.search.shards import Shard


F = TypeVar("F", bound=Callable[..., Any])


class _Path(click.Path):
    """A path in which `~` is a home folder: after an `=` or in the environment no shell expands it."""

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Path:
        return expand_home(super().convert(value, param, context))  # type: ignore[arg-type]


PATH = _Path(path_type=Path)
BASELINE_HELP = (
    "A name (scalectl baselines), a .toml, .json or pycls' .yaml, timm's block strings, or "
    "package.module:factory."
)

require_option = click.option(
    "--require",
    type=click.Choice(["identified"]),
    help="Exit with code 4 where the choice is not identified, for scripts that go on with it.",
)
classes_option = click.option(
    "--classes",
    type=click.IntRange(min=0),
    metavar="N",
    help="Classes of your task; 0 leaves the classifier out.  [default: the baseline's]",
)
in_channels_option = click.option(
    "--in-channels",
    "channels",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Channels of your images.  [default: the baseline's, mostly 3]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def check_device(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    """Return the name of a device, as click asks; raise `click.BadParameter` for what is none."""
    if name and not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise click.BadParameter(f"{name!r} is not auto, cpu, mps, cuda or cuda:NUMBER.")
    return name


class Choice(click.Choice[str]):
    """A choice that suggests the nearest of its names to whoever wrote another."""

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        try:
            return super().convert(value, param, context)
        except click.BadParameter as problem:
            close = suggest(str(value), self.choices)
            asked = f"; did you mean {close}?" if close else "."
            message = f"{problem.message.rstrip('.')}{asked}"
            raise click.BadParameter(message, context, param) from None


def refuse(contradiction: object, text: str) -> None:
    """Raise `click.UsageError` with this text if options contradict each other."""
    if contradiction:
        raise click.UsageError(text)


def guess_option(name: str, command: click.Command, value: str = "") -> str | None:
    """Say what somebody meant by an option that a command lacks; None where nothing is close."""
    word = name.lstrip("-")
    counted = re.fullmatch(r"(?:max-)?([kmg]??)(flop|mac|m?add|mult-add|multiply-add)s?", word)
    if counted and any("--macs" in option.opts for option in command.params):
        return _guess_macs(value + counted[1].upper(), is_flops=counted[2] == "flop")
    if command.name == "grid" and (key := _find_key(word.replace("-", "_"))):
        return f"; did you mean --set {key}={value or 'VALUE'}?"
    known = {
        text.lstrip("-"): text
        for option in command.params
        for text in (*option.opts, *option.secondary_opts)
        if text.startswith("--")
    }
    close = _OTHER_WORDS.get(word, word)
    close = close if close in known else suggest(word, known) or ""
    return f"; did you mean {known[close]}?" if close else None


def _guess_macs(text: str, *, is_flops: bool) -> str:
    """Suggest the option --macs for a number of multiply-adds, or of FLOPs, by another name."""
    known = re.fullmatch(_COUNT, text)
    if not is_flops:
        return f"; did you mean --macs {text if known else ''}".rstrip() + "?"
    half = f"--macs {_halve(text)}? " if known else "--macs, with half the number? "
    return f"; did you mean {half}FLOPs = 2 x MACs."


def _halve(text: str) -> str:
    """Halve a number such as "1.2G", in the largest unit of which it is one or more."""
    half = parse_count(text, "") / 2
    unit = next((unit for unit in ("G", "M", "k") if half >= _UNITS[unit]), "")
    return f"{half / _UNITS[unit]:.6g}{unit}"


_OTHER_WORDS = {
    "parameters": "params",
    "format": "to",
    "model": "baseline",
    "dataset": "data",
    "out": "output",
    "workers": "jobs",
    "gpu": "device",
}


def _find_key(name: str) -> str | None:
    """Find the key of a grid file that has this name, such as "proxy.epochs"."""
    from scalectl.search.config import Config

    config = Config()
    for table in fields(config):
        part = getattr(config, table.name)
        if is_dataclass(part) and name in [field.name for field in fields(part)]:
            return f"{table.name}.{name}"
    return None


def check_shard(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> "Shard | None":
    """Read a share such as "1/3". Raises `click.BadParameter` for anything else."""
    if text is None:
        return None
    from scalectl.search import shards

    try:
        return shards.parse(text)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from None


def check_duration(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> float | None:
    """Read a time such as "1h30m", in seconds. Raises `click.BadParameter` for anything else."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time above 0, such as 90s, 45m, 2h, 1h30m or 1d."
        ) from None


def check_trackers(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Split trackers such as "mlflow:URI". Raises `click.BadParameter` for one that is not known."""
    from scalectl.search.trackers import TRACKERS

    logs = tuple((kind, where) for kind, _, where in (text.partition(":") for text in texts))
    for kind in (kind for kind, _ in logs if kind not in TRACKERS):
        close = suggest(kind, TRACKERS)
        asked = f"; did you mean {close}?" if close else "."
        raise click.BadParameter(f"{kind!r} is none of {', '.join(TRACKERS)}{asked}")
    return logs


data_option = click.option(
    "--data",
    metavar="D",
    help="glyphs, fashion_mnist:ROOT, folder:PATH, torch/NAME:ROOT or hfds/NAME.  [default: the file's, else glyphs]",
)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Trials at once.  [default: one per core, what fills a GPU, or all that a cluster has room for]",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    callback=check_device,
    help="auto, cpu, mps, cuda or cuda:NUMBER.",
)
executor_option = click.option(
    "--executor",
    type=Choice(["auto", *EXECUTORS]),
    default="auto",
    show_default=True,
    help="Where trials run: on this machine's GPUs or cores, on a Ray cluster, or as Slurm jobs.",
)
address_option = click.option(
    "--address",
    metavar="A",
    default="",
    help="Of a Ray cluster: HOST:PORT, or auto; with slurm, local tries it without Slurm.",
)
stall_option = click.option(
    "--stall",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Stop a trial that takes no step for so long.  [default: 600]",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be trained, and estimate how long it takes."
)
no_probe_option = click.option(
    "--no-probe", is_flag=True, help="With --dry-run: do not measure this machine."
)
log_option = click.option(
    "--log",
    "logs",
    metavar="TRACKER[:WHERE]",
    multiple=True,
    callback=check_trackers,
    help="Show each trial in tensorboard:FOLDER, mlflow:URI, wandb:PROJECT or optuna:URL. Repeatable.",
)
shard_option = click.option(
    "--shard",
    metavar="I/N",
    callback=check_shard,
    help="Train the I-th of N shares alone, into a folder of its own; scalectl merge unites them.",
)
set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a field of the file, such as proxy.epochs=3. Repeatable.",
)
events_option = click.option(
    "--events",
    is_flag=True,
    help="A line of JSON on stdout for all that happens; --json's is last.",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress.")


def time_budget_option(what: str) -> Callable[[F], F]:
    """Make the option of a time that a search is cut to; `what` is chosen so that it fits."""
    return click.option(
        "--time-budget",
        metavar="TIME",
        callback=check_duration,
        help=f"Train what fits into 90s, 45m, 2h, 1h30m or 1d: {what}.",
    )


_COUNT = r"(\d+\.?\d*(?:e\d{1,3})?)([kMG]?)"
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def parse_latency(text: str) -> float:
    """Return the seconds that "12ms", "800us" or "0.5s" stands for."""
    match = re.fullmatch(r"(\d+\.?\d*)(us|ms|s)", text)
    if not match or float(match[1]) == 0:
        raise click.BadParameter(
            f"{text!r} is not a time above 0, such as 12ms, 800us or 0.5s.", param_hint="--latency"
        )
    return float(match[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[match[2]]


def parse_count(text: str, option: str) -> float:
    """Return the number that "1.2G", "8M", "300k" or "12000" stands for."""
    match = re.fullmatch(_COUNT, text)
    if not match or float(match[1]) == 0:
        raise click.BadParameter(
            f"{text!r} is not a number above 0, such as 1.2G, 8M or 300k{_guess_count(text)}",
            param_hint=option,
        )
    return float(match[1]) * _UNITS[match[2]]


def _guess_count(text: str) -> str:
    """Say what somebody meant by a number in other letters, such as "600m", "1.2 GFLOPs", "500MB"."""
    written = re.fullmatch(
        r"(\d[\d.,_]*)\s*([kmgb]?)(flops?|macs?|params?|i?b|bytes)?", text.strip().lower()
    )
    if not written:
        return "."
    digits, unit, of = written.groups(default="")
    is_grouped = re.fullmatch(r"\d{1,3}([,_]\d{3})+", digits)
    digits = re.sub(r"[,_]", "" if is_grouped else ".", digits)
    guess = digits + {"b": "G", "g": "G", "m": "M", "k": "k", "": ""}[unit]
    if guess == text or not re.fullmatch(_COUNT, guess) or float(digits) == 0:
        return "."
    if of.startswith("flop"):
        return f"; FLOPs = 2 x MACs: did you mean {_halve(guess)}?"
    return f"; did you mean {guess}?"
