"""Find the sizes that `scale` is asked for: by phi, by a budget, or by what a device runs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from scalectl.arch.scaling import PHI_LIMIT
from scalectl.arch.sizes import LADDER, Size, sizes_around
from scalectl.commands.shared.options import parse_count, parse_latency
from scalectl.commands.shared.output import say
from scalectl.commands.shared.source import Start
from scalectl.executors.hardware import require_device

if TYPE_CHECKING:  # its module loads torch
    from scalectl.training.fitting import Around, Measured


def parse_phis(text: str | None) -> list[float]:
    """List the phis that "4", "1..7" or "1..3:0.5" stands for; without a text, the ladder's."""
    if not text:
        return list(LADDER.values())
    ends, _, step_text = text.partition(":")
    first, dots, last = ends.partition("..")
    try:
        start, stop = float(first), float(last if dots else first)
        step = float(step_text or 1)
    except ValueError:
        start, stop, step = 1.0, 0.0, 1.0
    if not (-PHI_LIMIT <= start <= stop <= PHI_LIMIT and 0.01 <= step <= 2 * PHI_LIMIT):
        raise click.BadParameter(
            f"{text!r} is neither a number nor a range such as 1..7 or 1..3:0.5, within "
            f"-{PHI_LIMIT:g} to {PHI_LIMIT:g}, in steps of 0.01 or more.",
            param_hint="--phi",
        )
    return [
        round(start + step * number, 9) for number in range(int((stop - start) / step + 1e-9) + 1)
    ]


def solve(
    start: Start, targets: dict[str, str | None], max_resolution: int | None, *, at_most: bool
) -> tuple[Size, dict[str, Any]]:
    """Find the size for the one target that is given, and describe the target for `--json`.

    Prints how near the size is, and the next size on the other side of the target.
    """
    ((quantity, text),) = [(name, text) for name, text in targets.items() if text]
    target = parse_count(text, f"--{quantity}")
    below, above = sizes_around(
        start.baseline,
        start.coefficients,
        quantity,  # type: ignore[arg-type]
        target,
        start.source,
        max_resolution,
    )
    least, most = getattr(below.cost, quantity), getattr(above.cost, quantity)
    is_above = not at_most and most / target <= target / least
    size, other = (above, below) if is_above else (below, above)
    label = "MACs" if quantity == "macs" else quantity

    def describe(size: Size) -> str:
        realised = getattr(size.cost, quantity)
        return f"phi = {size.phi:.9g} has {realised:,} {label}, {realised / target - 1:+.1%}"

    text = f"{describe(size)} of the {target:,.0f} asked for."
    if least != most:
        text += f" The next {'smaller' if is_above else 'larger'} size: {describe(other)}."
    say(text, err=True)
    return size, _describe_budget(quantity, target, other if least != most else None, at_most)


def measure(
    start: Start, latency: str | None, memory: str | None, max_resolution: int | None, device: str
) -> "tuple[Around, dict[str, Any]]":
    """Find the largest size within what a device is allowed, and describe that for `--json`."""
    require_device(device)
    name, quantity = ("latency", "seconds") if latency else ("memory", "peak_memory")
    target = parse_latency(latency) if latency else parse_count(memory or "", "--memory")
    from scalectl.training.fitting import describe_amount, find_largest, make_measure

    say("Sizes are measured, which may take minutes ...", err=True)
    around = find_largest(
        lambda phi: start.size_at(phi, max_resolution),
        make_measure(quantity, device),
        quantity,
        target,
    )

    def describe(measured: "Measured") -> str:
        amount = getattr(measured.latency, quantity)
        return f"phi = {measured.size.phi:.9g} takes {describe_amount(quantity, amount)}"

    text = f"{describe(around.chosen)} of the {describe_amount(quantity, target)} asked for."
    if around.larger:
        text += f" The next larger size: {describe(around.larger)}."
    say(text, err=True)
    measured = [
        {"name": measured.size.name, "phi": measured.size.phi, **asdict(measured.latency)}
        for measured in around.sizes
    ]
    larger = around.larger.size if around.larger else None
    budget = _describe_budget(name, target, larger)
    return around, {**budget, "measured": measured}


def _describe_budget(
    quantity: str, target: float, other: Size | None, at_most: bool = True
) -> dict[str, Any]:
    """Describe a budget under the keys of `--json`; `other` is the size beyond it."""
    return {
        "quantity": quantity,
        "target": target,
        "at_most": at_most,
        "next": other and {"phi": other.phi, **asdict(other.cost)},
    }
