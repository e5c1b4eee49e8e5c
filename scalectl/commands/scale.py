"""`scalectl scale`: coefficients applied to a baseline, and configs of what comes of it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from scalectl.arch.rounding import RoundingRule
from scalectl.arch.scaling import PHI_LIMIT
from scalectl.arch.sizes import LADDER, Size, fit, official_size, size_at, sizes_around
from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import (
    BASELINE_HELP,
    PATH,
    Choice,
    classes_option,
    in_channels_option,
    json_option,
    parse_count,
)
from scalectl.commands.shared.output import print_json, print_table, say
from scalectl.commands.shared.source import Start, find_start
from scalectl.errors import ScalectlError
from scalectl.exports import EXPORTS, Written, check_installed, write
from scalectl.report.render import pluralise


@click.command(cls=DocumentedCommand)
@click.option(
    "--from",
    "run",
    metavar="RUN",
    type=PATH,
    help="Apply what this run found.  [default: the newest under runs/, else the paper]",
)
@click.option(
    "--coefficients",
    metavar="A,B,G",
    help="alpha,beta,gamma, or a name: paper, dwr, dWr, depth, width, resolution.",
)
@click.option(
    "--baseline", metavar="B", help=f"{BASELINE_HELP}  [default: the run's, else efficientnet_b0]"
)
@click.option("--phi", metavar="P", help="A number, or a range: 1..7, 1..3:0.5.")
@click.option("--macs", metavar="N", help="The largest size of so many multiply-adds: 1.2G.")
@click.option("--params", metavar="N", help="The largest size of so many parameters: 8M.")
@click.option("--activations", metavar="N", help="The largest size of so many: 20M.")
@click.option(
    "--at-most/--nearest",
    default=True,
    show_default=True,
    help="Whether --macs, --params and --activations are budgets, or may be exceeded.",
)
@click.option("--family", is_flag=True, help="phi = 0.5, 1, 2, 3.5, 5, 6, 7: the ladder b1..b7.")
@click.option(
    "--official", metavar="B4", help="A published network: b4, lite3, v2_s, tinynet_c ..."
)
@click.option(
    "--max-resolution",
    type=click.IntRange(8, 8192),
    metavar="PX",
    help="What this cuts off the resolution goes to depth and width; may be below the baseline's.",
)
@classes_option
@in_channels_option
@click.option(
    "--rounding",
    type=Choice(["official", "nearest"]),
    help="How sizes become whole.  [default: as the baseline, or as the run did]",
)
@click.option("--explain", is_flag=True, help="How the published sizes relate to phi.")
@click.option(
    "--to",
    "formats",
    type=Choice(list(EXPORTS)),
    multiple=True,
    help="Write a config in this format. Repeatable.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=PATH,
    default=Path(),
    help="Folder for the configs.  [default: the current one]",
)
@click.option("--no-verify", is_flag=True, help="Do not rebuild what was written.")
@json_option
def scale(
    run: Path | None,
    coefficients: str | None,
    baseline: str | None,
    phi: str | None,
    macs: str | None,
    params: str | None,
    activations: str | None,
    at_most: bool,
    family: bool,
    official: str | None,
    max_resolution: int | None,
    classes: int | None,
    channels: int | None,
    rounding: RoundingRule | None,
    explain: bool,
    formats: tuple[str, ...],
    folder: Path,
    no_verify: bool,
    as_json: bool,
) -> None:
    """Apply coefficients to a baseline: sizes, their cost, and configs that load.

    Say how large by one of --phi, --macs, --params, --activations, --family and --official. Each
    config is built again from its file, and compared, before it is called good.
    """
    targets = {"macs": macs, "params": params, "activations": activations}
    wishes = [*targets.values(), phi, family, official, explain]
    if sum(map(bool, wishes)) != 1:
        raise click.UsageError(
            "Say how large, by one of --phi 4, --phi 1..7, --macs 1.2G, --params 8M, "
            "--activations 20M, --family and --official b4; or --explain."
        )
    if not at_most and not any(targets.values()):
        raise click.UsageError("--nearest goes with --macs, --params and --activations.")
    if explain:
        _explain(as_json)
        return
    budget = None
    if official:
        if run or coefficients or baseline or max_resolution or rounding:
            raise click.UsageError("--official stands alone: it is a published network.")
        sizes = [official_size(official.lower(), classes, channels)]
    else:
        start = _round_by(find_start(run, coefficients, baseline), rounding)
        start = replace(start, baseline=fit(start.baseline, classes, channels))
        if any(targets.values()):
            size, budget = _solve(start, targets, max_resolution, at_most=at_most)
            sizes = [size]
        else:
            sizes = _apply(start, _parse_phis(phi), max_resolution)
        _comment(start, sizes, max_resolution)
    check_installed(formats)
    written = _write_all(sizes, dict.fromkeys(formats), folder, verify=not no_verify)
    _show_sizes(sizes, written, budget, as_json)
    if not formats:
        say(f"Add --to {', --to '.join(EXPORTS)} to write configs.", err=True)
    _judge_exports([export for exports in written for export in exports])


def _write_all(
    sizes: Sequence[Size], formats: Iterable[str], folder: Path, *, verify: bool
) -> list[list[Written]]:
    """Write each size in each format; where writing stops, list what was written before."""
    written: list[list[Written]] = []
    try:
        for size in sizes:
            written.append([])
            for form in formats:
                written[-1].append(write(size, form, folder, verify=verify))
    except ScalectlError:
        for export in (export for exports in written for export in exports if export.path):
            say(f"{export.path}: {export.note}", err=True)
        raise
    return written


def _explain(as_json: bool) -> None:
    from scalectl.report.published import tabulate_published_sizes

    table = tabulate_published_sizes()
    if as_json:
        print_json({"schema_version": 1, "published": list(table.rows), "notes": table.notes})
    else:
        print_table(table)


def _apply(start: Start, phis: Sequence[float], max_resolution: int | None) -> list[Size]:
    return [
        size_at(start.baseline, start.coefficients, phi, start.source, max_resolution)
        for phi in phis
    ]


def _parse_phis(text: str | None) -> list[float]:
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


def _round_by(start: Start, rule: RoundingRule | None) -> Start:
    if rule is None:
        return start
    rounding = replace(start.baseline.rounding, rule=rule)
    return replace(start, baseline=replace(start.baseline, rounding=rounding))


def _solve(
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
    return size, {
        "quantity": quantity,
        "target": target,
        "at_most": at_most,
        "next": {"phi": other.phi, **asdict(other.cost)} if least != most else None,
    }


def _comment(start: Start, sizes: Sequence[Size], max_resolution: int | None) -> None:
    """Print whose coefficients these are, and warnings: shrunk, capped or surprisingly rounded."""
    first = sizes[0]
    say(f"Coefficients {first.coefficients} of {first.source}.", err=True)
    if min(size.phi or 0 for size in sizes) < 0:
        say(
            "Warning: coefficients found for growing need not suit shrinking; TinyNet (Han et al. "
            "2020) gives up width first.",
            err=True,
        )
    capped = [size.name for size in sizes if size.is_capped]
    if capped:
        say(f"--max-resolution holds {', '.join(capped)}: depth and width took over.", err=True)
    surprising = [size for size in sizes if not 1 / _EXCESS <= size.excess <= _EXCESS]
    if surprising:
        say(
            f"Warning: rounding makes {_list_excesses(start, surprising, max_resolution)}.",
            err=True,
        )


_EXCESS = 1.15
"""Counted compute over the formula's, up to which nobody is surprised."""


def _list_excesses(start: Start, sizes: Sequence[Size], max_resolution: int | None) -> str:
    """Say what rounding does to the first three sizes, and what the other rule would do."""
    nearest = _round_by(start, "nearest")
    parts = []
    for size in sizes[:3]:
        (other,) = _apply(nearest, [size.phi or 0.0], max_resolution)
        is_nearer = abs(math.log(other.excess)) < abs(math.log(size.excess))
        advice = f" ({other.realised_ratio:.2f}x by --rounding nearest)" if is_nearer else ""
        parts.append(
            f"{size.name} cost {size.realised_ratio:.2f}x the baseline instead of "
            f"{size.nominal_ratio:.2f}x{advice}"
        )
    if len(sizes) > len(parts):
        parts.append(f"and {len(sizes) - len(parts)} more likewise")
    return ", ".join(parts)


def _show_sizes(
    sizes: Sequence[Size],
    written: Sequence[list[Written]],
    budget: dict[str, Any] | None,
    as_json: bool,
) -> None:
    from scalectl.report.tables.family import describe_size, tabulate_sizes

    coefficients = sizes[0].coefficients
    if as_json:
        entries = [
            {**describe_size(size), "exports": list(map(asdict, exports))}
            for size, exports in zip(sizes, written, strict=True)
        ]
        print_json(
            {
                "schema_version": 1,
                "coefficients": coefficients and asdict(coefficients),
                "source": sizes[0].source,
                "budget": budget,
                "sizes": entries,
            }
        )
    else:
        print_table(tabulate_sizes(sizes))
    for size, exports in zip(sizes, written, strict=True):
        for export in exports:
            say(f"{export.path or f'{size.name} for {export.format}'}: {export.note}", err=True)


def _judge_exports(written: Sequence[Written]) -> None:
    wrong = [export for export in written if export.verified is False]
    if wrong:
        raise ScalectlError(
            f"{wrong[0].path} is not the network that was asked for: {wrong[0].note}.",
            "Do not use it; please report this.",
        )
    refused = [export for export in written if export.path is None]
    if refused:
        raise ScalectlError(
            f"{len(refused)} of {pluralise(len(written), 'config')} not written: {refused[0].format} "
            f"{refused[0].note}.",
            "Choose another format, such as torch, or coefficients that it can follow.",
        )
