"""How the published EfficientNets relate to phi (METHOD: no assignment of phi = 1..7 fits)."""

from collections.abc import Iterable

from scalectl.baselines import BASELINES
from scalectl.family import LADDER
from scalectl.reports import Column, Table

COLUMNS = (
    Column("name", "size"),
    Column("phi", "phi", "g"),
    Column("depth", "depth x", ".1f"),
    Column("depth_formula", "alpha^phi", ".3f"),
    Column("width", "width x", ".1f"),
    Column("width_formula", "beta^phi", ".3f"),
    Column("resolution", "px", "d"),
    Column("resolution_formula", "224 gamma^phi", ".0f"),
)
GAMMA = 1.153
"""Within 10 px of B1..B7; the published resolutions follow no gamma exactly."""


def tabulate_published() -> Table:
    """B1..B8 beside the formula, with an alpha and a beta that give the whole columns."""
    names = [*LADDER, "b8"]
    phis = [*LADDER.values(), 8.0]
    sizes = [BASELINES[f"efficientnet_{name}"] for name in names]
    depths = [size.multipliers.depth for size in sizes]
    widths = [size.multipliers.width for size in sizes]
    alphas, betas = find_bases(depths, phis), find_bases(widths, phis)
    assert alphas is not None
    assert betas is not None
    alpha, beta = sum(alphas) / 2, sum(betas) / 2
    rows = [
        {
            "name": name,
            "phi": phi,
            "depth": depth,
            "depth_formula": alpha**phi,
            "width": width,
            "width_formula": beta**phi,
            "resolution": size.architecture.resolution,
            "resolution_formula": 224 * GAMMA**phi,
        }
        for name, phi, size, depth, width in zip(names, phis, sizes, depths, widths, strict=True)
    ]
    whole = find_bases(depths[:7], range(1, 8))
    return Table(
        name="published",
        title="The published sizes and phi",
        columns=COLUMNS,
        rows=tuple(rows),
        notes=(
            (
                f"Both columns are alpha^phi and beta^phi rounded to one decimal, for alpha in "
                f"[{alphas[0]:.4f}, {alphas[1]:.4f}] and beta in [{betas[0]:.4f}, {betas[1]:.4f}], "
                f"which print as 1.2 and 1.1; above with {alpha:.4f} and {beta:.4f}."
            ),
            "With phi = 1..7 for B1..B7 "
            + ("no alpha gives the depths." if whole is None else f"alpha is in {whole}."),
            f"Resolutions: gamma = {GAMMA} is within 10 px up to B7.",
        ),
    )


def find_bases(values: Iterable[float], exponents: Iterable[float]) -> tuple[float, float] | None:
    """The bases b with round(b^e, 1) == v for all pairs (v, e), as an interval; None without any."""
    low, high = 0.0, float("inf")
    for value, exponent in zip(values, exponents, strict=True):
        low = max(low, (value - 0.05) ** (1 / exponent))
        high = min(high, (value + 0.05) ** (1 / exponent))
    return (low, high) if low < high else None
