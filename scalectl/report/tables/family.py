"""The family: the sizes that coefficients give."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from scalectl.arch.factory import Factory
from scalectl.arch.sizes import LADDER, SUPPORTED_RATIO, Size, size_at
from scalectl.report.tables import MACS_NOTE, Column, Table

if TYPE_CHECKING:  # `scale` shows this table without the numerics that a search needs
    from scalectl.search.results import Results

COLUMNS = (
    Column("name", "size"),
    Column("phi", "phi", ".9g"),
    Column("depth", "depth x", ".3f"),
    Column("width", "width x", ".3f"),
    Column("resolution", "px", "d"),
    Column("nominal_ratio", "nominal x", ".2f"),
    Column("realised_ratio", "realised x", ".2f"),
    Column("params", "params", ",d", essential=True),
    Column("macs", "MACs", ",d", essential=True),
    Column("activations", "activations", ",d"),
    Column("dropout", "dropout", ".2f"),
)


def tabulate(results: "Results") -> Table:
    """List the ladder b1 to b7 of the recommended coefficients, at full size."""
    baseline, sizes = results.records[0].trial.baseline, list_sizes(results)
    if not isinstance(baseline, Factory):
        return tabulate_sizes(sizes)
    return Table(
        name="family",
        title=f"Family of {results.selection.recommended}",
        columns=COLUMNS,
        rows=(),
        notes=(
            "Counting its sizes would run the code of a factory, which a report does not do.",
            f"Count them by scalectl scale --family --baseline {baseline.target}",
        ),
    )


def list_sizes(results: "Results") -> list[Size]:
    """Compute the sizes of the ladder; none for a factory, whose code would have to run."""
    from scalectl.search.results import recommend

    chosen = recommend(results)
    baseline, source = chosen.scaled_baseline, results.name
    if isinstance(baseline, Factory):
        return []
    return [size_at(baseline, chosen.coefficients, phi, source) for phi in LADDER.values()]


def tabulate_sizes(sizes: Sequence[Size]) -> Table:
    """List sizes of one family, in the given order."""
    coefficients = sizes[0].coefficients
    notes = [MACS_NOTE]
    if any(size.is_extrapolated for size in sizes):
        notes.append(
            f"Sizes above {SUPPORTED_RATIO:g}x are extrapolated: searches look at 2x, and "
            "coefficients found there need not hold."
        )
    return Table(
        name="family",
        title=f"Family of {coefficients}" if coefficients else "Published sizes",
        columns=COLUMNS,
        rows=tuple(describe_size(size) for size in sizes),
        notes=tuple(notes),
    )


def describe_size(size: Size) -> dict[str, object]:
    """Describe a size under the keys of `--json`."""
    return {
        "name": size.name,
        "phi": size.phi,
        "depth": size.multipliers.depth,
        "width": size.multipliers.width,
        "resolution": size.architecture.resolution,
        "nominal_ratio": size.nominal_ratio,
        "realised_ratio": size.realised_ratio,
        **asdict(size.cost),
        "dropout": size.dropout,
        "drop_path": size.drop_path,
        "extrapolated": size.is_extrapolated,
        "architecture": size.architecture.to_dict(),
    }
