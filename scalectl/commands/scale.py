"""`scalectl scale`: coefficients applied to a baseline, and configs of what comes of it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline
from scalectl.arch.rounding import RoundingRule
from scalectl.arch.sizes import Size, fit, official_size
from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import (
    BASELINE_HELP,
    PATH,
    Choice,
    check_device,
    classes_option,
    in_channels_option,
    json_option,
    refuse,
)
from scalectl.commands.shared.output import print_json, print_table, say
from scalectl.commands.shared.sizing import measure, parse_phis, solve
from scalectl.commands.shared.source import Start, find_start
from scalectl.errors import ScalectlError
from scalectl.exports import (
    EXPORTS,
    WITH_WEIGHTS,
    Written,
    check_installed,
    list_unverifiable,
    write,
)
from scalectl.report.render import pluralise

if TYPE_CHECKING:  # their modules load torch
    from scalectl.exports.weights import Source


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
@click.option("--latency", metavar="T", help="The largest size that takes so long here: 12ms.")
@click.option(
    "--memory",
    metavar="N",
    help="The largest size that takes so many bytes here at its peak: 500M.",
)
@click.option(
    "--device",
    callback=check_device,
    help="Where --latency and --memory measure: auto, cpu, mps, cuda or cuda:NUMBER.  [default: auto]",
)
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
@click.option(
    "--weights-from",
    "weights",
    metavar="FILE",
    type=PATH,
    help="Start from a smaller network's weights, .pth or .safetensors, written beside configs of timm and torch.",
)
@json_option
def scale(
    run: Path | None,
    coefficients: str | None,
    baseline: str | None,
    phi: str | None,
    macs: str | None,
    params: str | None,
    activations: str | None,
    latency: str | None,
    memory: str | None,
    device: str | None,
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
    weights: Path | None,
    as_json: bool,
) -> None:
    """Apply coefficients to a baseline: sizes, their cost, and configs that load.

    Say how large by one of --phi, --macs, --params, --activations, --latency, --memory, --family and
    --official. Each config is built again from its file, and compared, before it is called good.
    """
    targets = {"macs": macs, "params": params, "activations": activations}
    wishes = [*targets.values(), latency, memory, phi, family, official, explain]
    asked = sum(map(bool, wishes))
    refuse(
        asked != 1,
        "Say how large, by one of --phi 4, --phi 1..7, --macs 1.2G, --params 8M, --activations 20M, "
        "--latency 12ms, --memory 500M, --family and --official b4; or --explain.",
    )
    refuse(
        not at_most and not any(targets.values()),
        "--nearest goes with --macs, --params and --activations.",
    )
    refuse(
        device and not (latency or memory),
        "--device goes with --latency and --memory, which are measured.",
    )
    refuse(
        official and (run or coefficients or baseline or max_resolution or rounding or weights),
        "--official stands alone: it is a published network.",
    )
    refuse(
        weights and not set(formats) & set(WITH_WEIGHTS),
        f"--weights-from goes with --to {' or --to '.join(WITH_WEIGHTS)}.",
    )
    if explain:
        _explain(as_json)
        return
    check_installed(formats)
    budget, around, source = None, None, None
    if official:
        sizes = [official_size(official.lower(), classes, channels)]
    else:
        start = find_start(run, coefficients, baseline).round_by(rounding)
        source = _read_source(weights, start.baseline)
        start = replace(start, baseline=fit(start.baseline, classes, channels))
        if any(targets.values()):
            size, budget = solve(start, targets, max_resolution, at_most=at_most)
            sizes = [size]
        elif latency or memory:
            around, budget = measure(start, latency, memory, max_resolution, device or "auto")
            sizes = [around.chosen.size]
        else:
            sizes = [start.size_at(each, max_resolution) for each in parse_phis(phi)]
        _comment(start, sizes, max_resolution)
    for form, library in list_unverifiable([] if no_verify else formats).items():
        say(f"{library} is not installed: --to {form} is written, but not verified.", err=True)
    written = _write_all(sizes, dict.fromkeys(formats), folder, verify=not no_verify)
    started = _write_weights(source, sizes, written)
    _show_sizes(sizes, written, started, budget, as_json)
    if around and not as_json:
        from scalectl.report.networks import tabulate_measured

        measured = [(each.size, each.latency) for each in around.sizes]
        print_table(tabulate_measured(measured, of_memory=bool(memory)))
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


def _read_source(path: Path | None, baseline: Baseline) -> "Source | None":
    """Read the weights of the baseline, or of a published size of it; None where no file is given."""
    if path is None:
        return None
    from scalectl.arch.baselines import BASELINES
    from scalectl.exports.weights import read_source

    published = (
        entry.architecture
        for entry in BASELINES.values()
        if entry.base.fingerprint == baseline.fingerprint
    )
    return read_source(path, [baseline, *published])


def _write_weights(
    source: "Source | None", sizes: Sequence[Size], written: Sequence[Sequence[Written]]
) -> list[dict[str, Any] | None]:
    """Write each size's starting weights beside its configs; describe them for `--json`."""
    if source is None:
        return [None] * len(sizes)
    from scalectl.exports.weights import start, write_weights

    entries: list[dict[str, Any] | None] = []
    for size, exports in zip(sizes, written, strict=True):
        assert isinstance(size.architecture, Architecture)  # else its weights were refused
        network, growth = start(source, size.architecture)
        files = [
            write_weights(network, size.architecture, export.format, Path(export.path))
            for export in exports
            if export.path and export.format in WITH_WEIGHTS
        ]
        say(
            f"{', '.join(map(str, files))}: {growth.used / growth.of_source:.1%} of the "
            f"{growth.of_source:,} parameters of {source.name} are used, and give "
            f"{growth.filled / growth.of_size:.1%} of {growth.of_size:,}; the rest is as initialised.",
            err=True,
        )
        entries.append({"source": source.name, **asdict(growth), "files": list(map(str, files))})
    return entries


def _explain(as_json: bool) -> None:
    from scalectl.report.published import tabulate_published_sizes

    table = tabulate_published_sizes()
    if as_json:
        print_json({"schema_version": 1, "published": list(table.rows), "notes": table.notes})
    else:
        print_table(table)


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
    nearest = start.round_by("nearest")
    parts = []
    for size in sizes[:3]:
        other = nearest.size_at(size.phi or 0.0, max_resolution)
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
    started: Sequence[dict[str, Any] | None],
    budget: dict[str, Any] | None,
    as_json: bool,
) -> None:
    from scalectl.report.tables.family import describe_size, tabulate_sizes

    coefficients = sizes[0].coefficients
    if as_json:
        entries = [
            {**describe_size(size), "exports": list(map(asdict, exports)), "weights": weights}
            for size, exports, weights in zip(sizes, written, started, strict=True)
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
