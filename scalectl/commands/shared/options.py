"""Options that several commands have, and the checks and hints of their values."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import click

from scalectl.parsing import did_you_mean, expand_home, suggest


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
            message = f"{problem.message.rstrip('.')}{did_you_mean(str(value), self.choices)}"
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
