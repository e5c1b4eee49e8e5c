"""scalectl from Python: search, open a run, scale. What the commands do, as values.

Wrong input raises `ScalectlError`, whose text is the sentence that a command prints.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from scalectl.arch.factory import Baseline
from scalectl.arch.scaling import NAMED, Coefficients, Quantity
from scalectl.arch.sizes import Size, fit, size_at, sizes_around
from scalectl.errors import ScalectlError
from scalectl.exports import Written, check_installed, write

if TYPE_CHECKING:  # slow to load
    import pyarrow as pa

    from scalectl.analysis.recommendation import Recommendation
    from scalectl.report.figures import DescribedFigure
    from scalectl.search.engine import Event
    from scalectl.search.plan import Plan
    from scalectl.search.results import Results

__all__ = [
    "Coefficients",
    "Run",
    "ScalectlError",
    "ScaledNetwork",
    "Search",
    "open_run",
    "scale",
    "search",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledNetwork(Size):
    """A size of a family: its name, architecture, cost and multipliers, and how to write its config."""

    def export(self, form: str, folder: str | Path = ".", *, verify: bool = True) -> Written:
        """Write the config in a format (`scalectl scale --to`); return its path and what was checked.

        It is built again from its file and compared. Raises `ScalectlError` for a format that cannot
        express the network, or whose library is missing, and where the comparison fails.
        """
        check_installed([form])
        written = write(self, form, Path(folder), verify=verify)
        if written.path is None or written.verified is False:
            raise ScalectlError(
                f"{self.name} for {form}: {written.note}.",
                "Choose another format, such as torch, or coefficients that it can follow.",
            )
        return written


@dataclass(frozen=True, slots=True)
class Run:
    """A run and what its records support."""

    path: Path
    """The run's folder, or its file of records."""
    results: "Results"
    """All that reports are made of: summaries, selection, confirmations, what is missing."""

    def __str__(self) -> str:
        """State the choice, how sure it is and what it rests on, as `scalectl report` does."""
        from scalectl.report.prose import in_words

        return in_words(self.results)

    @property
    def verdict(self) -> "Recommendation":
        """The choice: status, coefficients, the reason in words, the baseline they are for."""
        from scalectl.search.results import recommend

        return recommend(self.results)

    @property
    def records(self) -> "pa.Table":
        """The trials as an Arrow table with the columns of the Parquet files.

        `.to_pandas()` makes a data frame of it, where pandas is installed.
        """
        from scalectl.store.parquet import tabulate

        return tabulate(self.results.records)

    def figure(self, name: str = "overview") -> "DescribedFigure":
        """Draw a figure of the report, which shows itself in a notebook.

        Its `figure` is matplotlib's; None where the run lacks its data, as `text` says. Raises
        `ScalectlError` for an unknown name.
        """
        from scalectl.report import figures

        if name not in figures.FIGURES:
            raise ScalectlError(
                f"There is no figure {name!r}.", f"Known are {', '.join(figures.FIGURES)}."
            )
        return figures.draw(name, self.results)

    def scale(
        self,
        *,
        phi: float | None = None,
        macs: float | None = None,
        params: float | None = None,
        activations: float | None = None,
        max_resolution: int | None = None,
        classes: int | None = None,
        channels: int | None = None,
    ) -> ScaledNetwork:
        """Scale the run's baseline by what it recommends, rounded as its candidates were.

        The arguments are those of `scale`. Raises `ScalectlError` for a run without a winner.
        """
        verdict = self.verdict
        if verdict.status == "no_eligible_winner":
            raise ScalectlError(
                f"{self.path} has no eligible winner: {verdict.reason}",
                "Finish the search, or call scalectl.scale with coefficients.",
            )
        return _scale(
            fit(verdict.scaled_baseline, classes, channels),
            verdict.coefficients,
            str(self.path),
            phi,
            {"macs": macs, "params": params, "activations": activations},
            max_resolution,
        )


@dataclass(slots=True)
class Search:
    """A search: iterating carries it out and yields what happens, `finish` returns the run.

    Events are the values of `scalectl.search.engine` and `scalectl.trial`: `Begun`, `Round`,
    `Heartbeat`, `Progress`, `Record`, `Judged`, `Searched`, ..., and `Concluded` at last. A search that
    is closed, or killed, goes on when it is called again.
    """

    path: Path
    """Folder of the run."""
    plan: "Plan"
    """The candidates and trials, laid out before anything is trained."""
    _events: "Generator[Event, None, None]"

    def __iter__(self) -> "Search":
        return self

    def __next__(self) -> "Event":
        return next(self._events)

    def close(self) -> None:
        """Stop what is being trained; what has ended is stored."""
        self._events.close()

    def finish(self) -> Run:
        """Carry out what is left, and open the run."""
        for _ in self:
            pass
        return open_run(self.path)


def search(
    grid: str | Path | None = None,
    *,
    output: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
    jobs: int = 0,
    device: str = "auto",
    executor: str = "auto",
    address: str = "",
) -> Search:
    """Lay a search out, as `scalectl grid` does; iterate over it, or `finish` it, to carry it out.

    `grid` is a file, or the name of a shipped one; None is the default search. `overrides` are keys
    of grid files, such as `{"proxy.data": "folder:photos", "seeds": 2}`. `output` is the run's folder,
    `runs/NAME` without it; a folder that holds the search already is continued. `jobs` is how many
    trials run at once, 0 what there is room for; `device`, `executor` and `address` are the command's.

    Raises `ScalectlError` for a grid file, data, or a device that cannot be used.
    """
    from scalectl.arch.loading import find_baseline
    from scalectl.executors import CLUSTERS, Cluster, choose_executor, make_executor
    from scalectl.executors.hardware import require_device
    from scalectl.parsing import expand_home, find_grid
    from scalectl.search import engine
    from scalectl.search.config import load_config
    from scalectl.search.plan import make_plan

    file = find_grid(expand_home(grid)) if grid else None
    texts = [f"{key}={json.dumps(value)}" for key, value in (overrides or {}).items()]
    config = load_config(file, texts)
    name = choose_executor(device) if executor == "auto" else executor
    if name not in CLUSTERS:
        require_device(device)
    plan = make_plan(config, find_baseline(config.baseline))
    run = expand_home(output or Path("runs", file.stem if file else "default"))
    trainer = make_executor(name, jobs, Cluster(address=address, resources=config.resources))
    return Search(run, plan, engine.search(plan, run, trainer, device))


def open_run(path: str | Path) -> Run:
    """Read a run's folder, or a Parquet file of records, and work out what they support.

    Raises `ScalectlError` where there is none, or where it holds no readable record.
    """
    from scalectl.parsing import expand_home
    from scalectl.search.results import read_results

    place = expand_home(path)
    return Run(place, read_results(place))


def scale(
    baseline: str = "efficientnet_b0",
    *,
    phi: float | None = None,
    macs: float | None = None,
    params: float | None = None,
    activations: float | None = None,
    coefficients: str | tuple[float, float, float] | Coefficients = "paper",
    max_resolution: int | None = None,
    classes: int | None = None,
    channels: int | None = None,
) -> ScaledNetwork:
    """Scale a baseline: to a phi, or to the largest size within a budget of one quantity.

    `baseline` is a name (`scalectl baselines`), a file of stages, or `package.module:factory`;
    `coefficients` are alpha, beta and gamma, or a name such as "paper" or "dwr". `max_resolution` is in
    pixels; what it cuts off goes to depth and width. `classes` and `channels` are those of the task.
    Raises `ScalectlError` for what is unknown or out of reach.
    """
    from scalectl.arch.loading import find_baseline

    growth, source = _find_coefficients(coefficients)
    return _scale(
        fit(find_baseline(baseline), classes, channels),
        growth,
        source,
        phi,
        {"macs": macs, "params": params, "activations": activations},
        max_resolution,
    )


def _find_coefficients(
    given: str | tuple[float, float, float] | Coefficients,
) -> tuple[Coefficients, str]:
    """Return the coefficients, and where they come from in words."""
    if isinstance(given, str):
        if given not in NAMED:
            raise ScalectlError(
                f"There are no coefficients named {given!r}.",
                f"Give three numbers, or one of {', '.join(NAMED)}.",
            )
        return NAMED[given], given
    return given if isinstance(given, Coefficients) else Coefficients(*given), "the caller"


def _scale(
    baseline: Baseline,
    coefficients: Coefficients,
    source: str,
    phi: float | None,
    budgets: dict[Quantity, float | None],
    max_resolution: int | None,
) -> ScaledNetwork:
    targets = {quantity: target for quantity, target in budgets.items() if target is not None}
    if (phi is not None) + len(targets) != 1:
        raise ScalectlError(
            "A size is said by one of phi, macs, params and activations.", "Such as phi=4."
        )
    if phi is not None:
        size = size_at(baseline, coefficients, phi, source, max_resolution)
    else:
        ((quantity, target),) = targets.items()
        size, _ = sizes_around(baseline, coefficients, quantity, target, source, max_resolution)
    return ScaledNetwork(**{field.name: getattr(size, field.name) for field in fields(Size)})
