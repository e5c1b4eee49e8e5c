"""`scalectl profile`: what a network costs."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from scalectl.commands.options import check_device, json_option
from scalectl.commands.output import print_json, print_table, say
from scalectl.commands.source import find_start
from scalectl.cost import measure as count
from scalectl.factory import Baseline, resize
from scalectl.family import size_at

if TYPE_CHECKING:  # its module loads torch
    from scalectl.latency import Latency


@click.command()
@click.argument("target")
@click.option("--phi", type=click.FloatRange(-12, 12), metavar="P", help="Scaled so much.")
@click.option(
    "--coefficients", metavar="A,B,G", help="By these, as in scale.  [default: as in scale]"
)
@click.option(
    "--resolution", type=click.IntRange(8, 8192), metavar="PX", help="For images of this size."
)
@click.option("--per-stage", is_flag=True, help="Each part, not only the total.")
@click.option("--measure", is_flag=True, help="Run it: latency and peak memory on this machine.")
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
    per_stage: bool,
    measure: bool,
    device: str,
    as_json: bool,
) -> None:
    """What a network costs: parameters, multiply-adds, activations.

    TARGET is a baseline (scalectl baselines lists them; b4, lite3 and v2_s are short names), a .toml
    or .json file, or package.module:factory.
    """
    from scalectl.documents import find_baseline
    from scalectl.reports.profile import tabulate_profile

    network = find_baseline(target)
    if phi is not None:
        start = find_start(None, coefficients, target)
        network = size_at(start.baseline, start.coefficients, phi, start.source).architecture
        say(f"Coefficients {start.coefficients} of {start.source}.", err=True)
    elif coefficients:
        raise click.UsageError("--coefficients needs --phi.")
    if resolution:
        network = resize(network, resolution=resolution)
    latency = _measure(network, device) if measure else None
    if as_json:
        timed = {"latency": asdict(latency)} if latency else {}
        print_json(_describe(network) | timed)
        return
    print_table(tabulate_profile(network, per_stage=per_stage))
    if latency:
        _say_latency(latency)


def _measure(network: Baseline, device: str) -> "Latency":
    from scalectl.latency import measure_latency

    return measure_latency(network, device)


def _describe(network: Baseline) -> dict[str, Any]:
    from scalectl.reports.profile import describe_stages

    return {
        "schema_version": 1,
        "name": network.name,
        "resolution": network.resolution,
        **asdict(count(network)),
        "stages": describe_stages(network),
    }


def _say_latency(latency: "Latency") -> None:
    say(
        f"One image takes {1000 * latency.seconds:.1f} ms (median of {latency.runs}, "
        f"{1000 * latency.fastest:.1f} to {1000 * latency.slowest:.1f}) on {latency.device} with "
        f"{latency.threads} threads; peak memory {latency.peak_memory / 2**20:,.0f} MiB."
    )
