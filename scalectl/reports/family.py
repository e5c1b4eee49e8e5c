"""The sizes that coefficients give."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from scalectl.factory import Factory
from scalectl.family import LADDER, SUPPORTED_RATIO, Size, size_at
from scalectl.reports import Column, Table

if TYPE_CHECKING:  # `scale` shows this table without the numerics that a search needs
    from scalectl.evidence import Evidence

COLUMNS = (
    Column("name", "size"),
    Column("phi", "phi", ".4g"),
    Column("depth", "depth x", ".3f"),
    Column("width", "width x", ".3f"),
    Column("resolution", "px", "d"),
    Column("nominal_ratio", "nominal x", ".2f"),
    Column("realised_ratio", "realised x", ".2f"),
    Column("params", "params", ",d"),
    Column("macs", "MACs", ",d"),
    Column("activations", "activations", ",d"),
    Column("dropout", "dropout", ".2f"),
)


def tabulate(evidence: "Evidence") -> Table:
    """The ladder b1..b7 of the recommended coefficients, at full size."""
    from scalectl.evidence import conclude

    verdict = conclude(evidence)
    if isinstance(verdict.baseline, Factory):
        return Table(
            name="family",
            title=f"Family of {verdict.coefficients}",
            columns=COLUMNS,
            rows=(),
            notes=(
                "Counting its sizes would run the code of a factory, which a report does not.",
                f"Do it by scalectl scale --family --baseline {verdict.baseline.target}",
            ),
        )
    return tabulate_sizes(list_sizes(evidence))


def list_sizes(evidence: "Evidence") -> list[Size]:
    """The ladder; none of a factory, whose code would have to run."""
    from scalectl.evidence import conclude

    verdict = conclude(evidence)
    if isinstance(verdict.baseline, Factory):
        return []
    baseline, source = verdict.scaled_baseline, evidence.name
    return [size_at(baseline, verdict.coefficients, phi, source) for phi in LADDER.values()]


def tabulate_sizes(sizes: Sequence[Size]) -> Table:
    """Any sizes, in the given order."""
    coefficients = sizes[0].coefficients
    notes = ["MACs are multiply-adds; FLOPs = 2 x MACs."]
    if any(size.is_extrapolated for size in sizes):
        notes.append(
            f"Sizes above {SUPPORTED_RATIO:g}x are extrapolated: searches look at 2x, and "
            "coefficients found there need not hold."
        )
    return Table(
        name="family",
        title=f"Family of {coefficients}" if coefficients else "Published sizes",
        columns=COLUMNS,
        rows=tuple(describe(size) for size in sizes),
        notes=tuple(notes),
    )


def describe(size: Size) -> dict[str, object]:
    """A size under the keys of `--json`."""
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
