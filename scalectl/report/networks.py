"""Tables about networks alone, for `scalectl profile` and `scalectl baselines`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scalectl.arch.architecture import Architecture
from scalectl.arch.baselines import BASELINES
from scalectl.arch.cost import compute_stage_costs
from scalectl.arch.factory import Baseline, cost_of
from scalectl.arch.rounding import Rounding
from scalectl.arch.sizes import Size
from scalectl.exports import EXPORTS, make_export
from scalectl.report.render import pluralise
from scalectl.report.tables import MACS_NOTE, Column, Table

if TYPE_CHECKING:  # its module loads torch
    from scalectl.training.latency import Latency

BASELINE_COLUMNS = (
    Column("name", "baseline"),
    Column("resolution", "px", "d"),
    Column("params", "params", ",d"),
    Column("macs", "MACs", ",d"),
    Column("activations", "activations", ",d"),
    Column("rule", "rounding"),
    Column("formats", "exported to"),
)
OBSTACLE_COLUMNS = (Column("format", "format"), Column("obstacle", "what it cannot express"))
PROFILE_COLUMNS = (
    Column("part", "part"),
    Column("blocks", "blocks"),
    Column("params", "params", ",d"),
    Column("macs", "MACs", ",d"),
    Column("macs_share", "of MACs", ".1%"),
    Column("activations", "activations", ",d"),
)
MEASURED_COLUMNS = (
    Column("name", "size"),
    Column("phi", "phi", ".9g"),
    Column("milliseconds", "median, ms", ".2f"),
    Column("fastest", "fastest", ".2f"),
    Column("slowest", "slowest", ".2f"),
    Column("runs", "runs", "d"),
)
MEMORY_COLUMNS = (*MEASURED_COLUMNS[:2], Column("megabytes", "peak memory, MB", ",.1f"))
FUSED_COLUMNS = (
    Column("stages", "fused stages"),
    Column("params", "params", ",d"),
    Column("macs", "MACs", ",d"),
    Column("macs_ratio", "MACs x", ".2f"),
    *MEASURED_COLUMNS[2:],
    Column("time_ratio", "time x", ".2f", essential=True),
)
_UNIVERSAL = ("onnx", "torch", "json", "toml")
"""Formats that every network of stages can be exported to."""


def tabulate_baselines() -> Table:
    """List the shipped baselines."""
    return Table(
        name="baselines",
        title="Baselines",
        columns=BASELINE_COLUMNS,
        rows=tuple(
            {
                **describe_baseline(entry.architecture),
                "formats": ", ".join(
                    name
                    for name, obstacle in find_obstacles(entry.architecture).items()
                    if not obstacle and name not in _UNIVERSAL
                ),
            }
            for entry in BASELINES.values()
        ),
        notes=(
            "Every name is a --baseline, and an --official size, at the resolution of its source.",
            "Exported to: the baseline itself. Scaled sizes are checked again, and refused with a reason.",
            "Any .toml or .json of stages and any package.module:factory is a baseline too.",
        ),
    )


def tabulate_obstacles(network: Baseline) -> Table:
    """List every format with the reason why it cannot express the network."""
    return Table(
        name="exports",
        title=f"Exports of {network.name}",
        columns=OBSTACLE_COLUMNS,
        rows=tuple(
            {"format": name, "obstacle": obstacle or "-"}
            for name, obstacle in find_obstacles(network).items()
        ),
        notes=(f"Rounding: {describe_rounding(network.rounding)}.",),
    )


def tabulate_profile(network: Baseline, *, per_stage: bool) -> Table:
    """List parameters, MACs and convolution activations for one image, in total or for each part."""
    rows = describe_stages(network) if per_stage else []
    total = {"part": "total", "blocks": "", **asdict(cost_of(network)), "macs_share": 1.0}
    notes = [MACS_NOTE]
    if not isinstance(network, Architecture) and per_stage:
        notes.append("A factory is counted as a whole; scalectl does not know its parts.")
    return Table(
        name="profile",
        title=f"{network.name} at {network.resolution} px",
        columns=PROFILE_COLUMNS,
        rows=(*rows, total),
        notes=tuple(notes),
    )


def tabulate_measured(sizes: Sequence[tuple[Size, "Latency"]], *, of_memory: bool) -> Table:
    """List what one image took in each size, on one device: time, or memory."""
    _, first = sizes[0]
    return Table(
        name="measured",
        title=f"One image at a time on {first.device} with {pluralise(first.threads, 'thread')}",
        columns=MEMORY_COLUMNS if of_memory else MEASURED_COLUMNS,
        rows=tuple(
            {
                "name": size.name,
                "phi": size.phi,
                "milliseconds": 1000 * latency.seconds,
                "fastest": 1000 * latency.fastest,
                "slowest": 1000 * latency.slowest,
                "runs": latency.runs,
                "megabytes": latency.peak_memory / 1e6,
            }
            for size, latency in sizes
        ),
        notes=("Memory is what a process with torch grows by.",) if of_memory else (),
    )


def describe_fused(
    variants: Mapping[tuple[int, ...], Architecture], latencies: Sequence["Latency"]
) -> list[dict[str, object]]:
    """Describe networks, whose fused stages are known, under the keys of `--json`; in the order of fusing."""
    described = [
        {"stages": list(stages), **asdict(cost_of(network)), **asdict(latency)}
        for (stages, network), latency in zip(variants.items(), latencies, strict=True)
    ]
    for each in described:
        del each["peak_memory"]  # they were measured together
    return described


def tabulate_fused(name: str, fused: Sequence[Mapping[str, Any]]) -> Table:
    """List what `describe_fused` has described, beside the network as it is."""
    first = fused[0]
    return Table(
        name="fused",
        title=(
            f"{name} with early stages fused, one image at a time on {first['device']} with "
            f"{pluralise(first['threads'], 'thread')}"
        ),
        columns=FUSED_COLUMNS,
        rows=tuple(
            {
                **each,
                "stages": ", ".join(map(str, each["stages"])) or "none, as it is",
                "macs_ratio": each["macs"] / first["macs"],
                "milliseconds": 1000 * each["seconds"],
                "fastest": 1000 * each["fastest"],
                "slowest": 1000 * each["slowest"],
                "time_ratio": each["seconds"] / first["seconds"],
            }
            for each in fused
        ),
        notes=(
            "Fused: one convolution in place of the first 1x1 and the depthwise one (at expansion 1, of all).",
            "Measured in turn. What it does to accuracy is not measured: scalectl nas trains both kinds.",
        ),
    )


def describe_baseline(network: Baseline) -> dict[str, object]:
    """Describe a baseline under the keys of `--json`.

    `exports` has for each format what keeps it from expressing the network, or "".
    """
    return {
        "name": network.name,
        "resolution": network.resolution,
        **asdict(cost_of(network)),
        "rule": describe_rounding(network.rounding),
        "rounding": asdict(network.rounding),
        "exports": find_obstacles(network),
    }


def find_obstacles(network: Baseline) -> dict[str, str]:
    """Ask each format what keeps it from expressing the network; "" where nothing does."""
    return {name: make_export(name).find_obstacle(network) for name in EXPORTS}


def describe_rounding(rounding: Rounding) -> str:
    """Summarise a rounding rule, such as "depth ceil; width /8, >= 90%"."""
    nearest = rounding.rule == "nearest"
    depth = "nearest" if nearest else rounding.repeats
    limit = "" if nearest or not rounding.width_limit else f", >= {rounding.width_limit:.0%}"
    words = [f"depth {depth}", f"width /{rounding.width_divisor}{limit}"]
    if rounding.head_minimum:
        words.append(f"head >= {rounding.head_minimum}")
    if rounding.fixed:
        words.append(f"fixed {', '.join(rounding.fixed)}".replace("_", " "))
    if rounding.stages == "late":
        words.append("added blocks late")
    return "; ".join(words)


def describe_stages(network: Baseline) -> list[dict[str, object]]:
    """Describe the parts of a network under the keys of `--json`; none for a factory."""
    if not isinstance(network, Architecture):
        return []
    macs = cost_of(network).macs
    blocks = {
        f"stage {number}": f"{stage.repeats} {stage.block} x {stage.width}"
        for number, stage in enumerate(network.stages, 1)
    }
    return [
        {
            "part": part,
            "blocks": blocks.get(part, ""),
            **asdict(cost),
            "macs_share": cost.macs / macs,
        }
        for part, cost in compute_stage_costs(network)
    ]
