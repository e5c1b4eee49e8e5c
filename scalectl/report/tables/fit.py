"""The quality of the fitted surface."""

from scalectl.report.tables import Column, Table
from scalectl.search.results import Results

COLUMNS = (
    Column("order", "surface"),
    Column("r2", "R2", ".2f"),
    Column("residual_sd", "residual sd", ".2%"),
    Column("pure_error_sd", "sd of seeds", ".2%"),
    Column("lack_of_fit_p", "p of lack of fit", ".3f"),
    Column("shares_p", "p of the shares", ".2g"),
    Column("max_leverage", "highest leverage", ".2f"),
)


def tabulate(results: Results) -> Table:
    """Make one row; none without a fit."""
    fit = results.selection.fit
    return Table(
        name="fit",
        title="The fit",
        columns=COLUMNS,
        rows=({column.name: getattr(fit, column.name) for column in COLUMNS},) if fit else (),
        notes=(
            "Top-1 = seed + surface of the shares + a slope for what differs from twice the compute.",
            (
                "A low p of lack of fit means that the surface has the wrong shape; a low p of the shares "
                "that it is not flat. A leverage near 1 means that one trial decides its own value."
            ),
        ),
    )
