"""What can be scaled, by which rule, and who can load it."""

from collections.abc import Iterable
from dataclasses import asdict

from scalectl.architecture import Rounding
from scalectl.baselines import BASELINES
from scalectl.cost import measure
from scalectl.exports import EXPORTS, make_export
from scalectl.factory import Baseline
from scalectl.reports import Column, Table

COLUMNS = (
    Column("name", "baseline"),
    Column("resolution", "px", "d"),
    Column("params", "params", ",d"),
    Column("macs", "MACs", ",d"),
    Column("activations", "activations", ",d"),
    Column("rule", "rounding"),
    Column("formats", "exported to"),
)
OBSTACLES = (Column("format", "format"), Column("obstacle", "what it cannot express"))


def tabulate_baselines() -> Table:
    """All published networks."""
    rows = [describe_baseline(entry.architecture) for entry in BASELINES.values()]
    return Table(
        name="baselines",
        title="Baselines",
        columns=COLUMNS,
        rows=tuple({**row, "formats": _shorten(row["exports"])} for row in rows),
        notes=(
            "Every name is a --baseline, and an --official size, at the resolution of its source.",
            "Exported to: as it stands. Scaled sizes are asked again, and refused with a reason.",
            "Any .toml or .json of stages and any package.module:factory is a baseline too.",
        ),
    )


def tabulate_obstacles(network: Baseline) -> Table:
    """Each format, and why it refuses."""
    exports = describe_baseline(network)["exports"]
    assert isinstance(exports, dict)
    return Table(
        name="exports",
        title=f"Exports of {network.name}; rounding: {describe_rounding(network.rounding)}",
        columns=OBSTACLES,
        rows=tuple({"format": name, "obstacle": text or "-"} for name, text in exports.items()),
    )


def describe_baseline(network: Baseline) -> dict[str, object]:
    """A baseline under the keys of `--json`; `exports` has the obstacle of each format, or ""."""
    exports = {name: make_export(name).find_obstacle(network) for name in EXPORTS}
    return {
        "name": network.name,
        "resolution": network.resolution,
        **asdict(measure(network)),
        "rule": describe_rounding(network.rounding),
        "rounding": asdict(network.rounding),
        "exports": exports,
    }


def describe_rounding(rounding: Rounding) -> str:
    """In a few words."""
    nearest = rounding.rule == "nearest"
    depth = "nearest" if nearest else rounding.repeats
    limit = "" if nearest or not rounding.width_limit else f", >= {rounding.width_limit:.0%}"
    words = [f"depth {depth}", f"width /{rounding.width_divisor}{limit}"]
    if rounding.head_minimum:
        words.append(f"head >= {rounding.head_minimum}")
    if rounding.fixed:
        words.append(f"fixed {', '.join(rounding.fixed)}".replace("_", " "))
    return "; ".join(words)


def _shorten(exports: object) -> str:
    assert isinstance(exports, dict)
    return _join(name for name, obstacle in exports.items() if not obstacle)


def _join(names: Iterable[str]) -> str:
    always = ("onnx", "torch", "json", "toml")
    return ", ".join([name for name in names if name not in always])
