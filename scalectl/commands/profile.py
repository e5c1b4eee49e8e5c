"""`scalectl profile`: what a network costs."""

from dataclasses import asdict

import click

from scalectl.arch.factory import at_resolution, cost_of
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
    from scalectl.report import networks

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
    latency, compared = None, []
    if measure:
        require_device(device)
        from scalectl.training.latency import measure_in_turn, measure_latency

        latency = measure_latency(network, device)
        if variants:
            latencies = measure_in_turn(list(variants.values()), device)
            compared = networks.describe_fused(variants, latencies)
    if as_json:
        document = {
            "schema_version": 1,
            "name": network.name,
            "resolution": network.resolution,
            **asdict(cost_of(network)),
            "stages": networks.describe_stages(network),
            **({"latency": asdict(latency)} if latency else {}),
            **({"fused": compared} if compared else {}),
        }
        print_json(document)
        return
    print_table(networks.tabulate_profile(network, per_stage=per_stage))
    if latency:
        say(
            f"One image takes {1000 * latency.seconds:.1f} ms (median of {latency.runs}, "
            f"{1000 * latency.fastest:.1f} to {1000 * latency.slowest:.1f}) on {latency.device} with "
            f"{latency.threads} threads; peak memory {latency.peak_memory / 2**20:,.0f} MiB."
        )
    if compared:
        say("")
        print_table(networks.tabulate_fused(network.name, compared))
