"""`scalectl profile`: what a network costs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from scalectl.arch.factory import Baseline, at_resolution, cost_of
from scalectl.arch.sizes import fit
from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import (
    check_device,
    classes_option,
    in_channels_option,
    json_option,
)
from scalectl.commands.shared.output import print_json, print_table, say
from scalectl.commands.shared.source import find_start
from scalectl.executors.hardware import require_device

if TYPE_CHECKING:  # its module loads torch
    from scalectl.arch.architecture import Architecture
    from scalectl.training.latency import Latency


@click.command(cls=DocumentedCommand)
@click.argument("target")
@click.option(
    "--phi",
    type=click.FloatRange(-12, 12),
    metavar="P",
    help="Scale the network by this phi first.",
)
@click.option(
    "--coefficients", metavar="A,B,G", help="Coefficients for --phi.  [default: as in scale]"
)
@click.option(
    "--resolution",
    type=click.IntRange(8, 8192),
    metavar="PX",
    help="Count for images of this size.",
)
@classes_option
@in_channels_option
@click.option("--per-stage", is_flag=True, help="Show each part, not only the total.")
@click.option("--measure", is_flag=True, help="Run it: latency and peak memory on this machine.")
@click.option(
    "--fused",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="With --measure: the first 1 to N mbconv stages fused, beside it as it is.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    callback=check_device,
    help="Where to measure: auto, cpu, mps, cuda or cuda:NUMBER.",
)
@json_option
def profile(
    target: str,
    phi: float | None,
    coefficients: str | None,
    resolution: int | None,
    classes: int | None,
    channels: int | None,
    per_stage: bool,
    measure: bool,
    fused: int | None,
    device: str,
    as_json: bool,
) -> None:
    """What a network costs: parameters, multiply-adds, activations.

    TARGET is a baseline (scalectl baselines lists them; b4, lite3 and v2_s are short names), a .toml
    or .json file, or package.module:factory.

    --fused N shows what depthwise convolutions in early stages cost here: fused ones have more
    multiply-adds, and may take less time (EfficientNetV2, Tan & Le 2021, section 3.2).
    """
    from scalectl.arch.loading import find_baseline
    from scalectl.arch.space import fuse_early_stages
    from scalectl.report.networks import tabulate_fused, tabulate_profile

    network = find_baseline(target)
    if phi is not None:
        start = find_start(None, coefficients, target)
        network = start.size_at(phi).architecture
        say(f"Coefficients {start.coefficients} of {start.source}.", err=True)
    elif coefficients:
        raise click.UsageError("--coefficients needs --phi.")
    if resolution:
        network = at_resolution(network, resolution)
    network = fit(network, classes, channels)
    if fused and not measure:
        raise click.UsageError("--fused needs --measure.")
    variants = fuse_early_stages(network, fused) if fused else {}
    if measure:
        require_device(device)
    latency = _measure(network, device) if measure else None
    compared = _compare(variants, device) if variants else []
    if as_json:
        timed = {"latency": asdict(latency)} if latency else {}
        print_json(_describe(network) | timed | ({"fused": compared} if compared else {}))
        return
    print_table(tabulate_profile(network, per_stage=per_stage))
    if latency:
        _say_latency(latency)
    if compared:
        say("")
        print_table(tabulate_fused(network.name, compared))


def _measure(network: Baseline, device: str) -> "Latency":
    from scalectl.training.latency import measure_latency

    return measure_latency(network, device)


def _compare(
    variants: "Mapping[tuple[int, ...], Architecture]", device: str
) -> list[dict[str, object]]:
    """Measure networks in turn, and describe them by their fused stages."""
    from scalectl.report.networks import describe_fused
    from scalectl.training.latency import measure_in_turn

    return describe_fused(variants, measure_in_turn(list(variants.values()), device))


def _describe(network: Baseline) -> dict[str, Any]:
    from scalectl.report.networks import describe_stages

    return {
        "schema_version": 1,
        "name": network.name,
        "resolution": network.resolution,
        **asdict(cost_of(network)),
        "stages": describe_stages(network),
    }


def _say_latency(latency: "Latency") -> None:
    say(
        f"One image takes {1000 * latency.seconds:.1f} ms (median of {latency.runs}, "
        f"{1000 * latency.fastest:.1f} to {1000 * latency.slowest:.1f}) on {latency.device} with "
        f"{latency.threads} threads; peak memory {latency.peak_memory / 2**20:,.0f} MiB."
    )
