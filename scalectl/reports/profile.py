"""What one network costs, part by part."""

from dataclasses import asdict

from scalectl.architecture import Architecture
from scalectl.cost import measure, measure_stages
from scalectl.factory import Baseline
from scalectl.reports import Column, Table

COLUMNS = (
    Column("part", "part"),
    Column("blocks", "blocks"),
    Column("params", "params", ",d"),
    Column("macs", "MACs", ",d"),
    Column("macs_share", "of MACs", ".1%"),
    Column("activations", "activations", ",d"),
)


def tabulate_profile(network: Baseline, *, per_stage: bool) -> Table:
    """Params, MACs and convolution activations for one image, in total or for each part."""
    rows = describe_stages(network) if per_stage else []
    total = measure(network)
    whole = {"part": "total", "blocks": "", **asdict(total), "macs_share": 1.0}
    notes = ["MACs are multiply-adds; FLOPs = 2 x MACs."]
    if not isinstance(network, Architecture) and per_stage:
        notes.append("A factory is counted as a whole: its parts are its own affair.")
    return Table(
        name="profile",
        title=f"{network.name} at {network.resolution} px",
        columns=COLUMNS,
        rows=(*rows, whole),
        notes=tuple(notes),
    )


def describe_stages(network: Baseline) -> list[dict[str, object]]:
    """Each part under the keys of `--json`; none for a factory."""
    if not isinstance(network, Architecture):
        return []
    macs = measure(network).macs
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
        for part, cost in measure_stages(network)
    ]
