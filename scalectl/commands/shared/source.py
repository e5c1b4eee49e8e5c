"""What to scale, and by which coefficients: those of the command line, of a run, or of the paper."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import click

from scalectl.analysis.recommendation import Recommendation, read
from scalectl.arch.factory import Baseline, Factory
from scalectl.arch.rounding import RoundingRule
from scalectl.arch.scaling import NAMED, Coefficients
from scalectl.arch.sizes import Size, size_at
from scalectl.commands.shared.runs import find_newest_or_none
from scalectl.errors import ScalectlError


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A baseline, and the coefficients to scale it by."""

    baseline: Baseline
    coefficients: Coefficients
    source: str
    """Who says so: a run's path, "the paper" or "the command line"."""

    def size_at(self, phi: float, max_resolution: int | None = None) -> Size:
        """Scale the baseline to 2^phi times its compute, its resolution to `max_resolution` at most."""
        return size_at(self.baseline, self.coefficients, phi, self.source, max_resolution)

    def round_by(self, rule: RoundingRule | None) -> Self:
        """Return the same, rounded by this rule; None is the baseline's own."""
        if rule is None:
            return self
        rounding = replace(self.baseline.rounding, rule=rule)
        return replace(self, baseline=replace(self.baseline, rounding=rounding))


def find_start(run: Path | None, text: str | None, name: str | None) -> Start:
    """Find the baseline of this name, and the coefficients of a run or a text such as "1.2,1.1,1.15".

    Without a name it is the run's baseline, else EfficientNet-B0, rounded as the run's candidates
    were; without run and text, the newest run's coefficients, else the paper's. Raises
    `ScalectlError` for a run without a winner, and for one that searched a factory whose code the
    user did not name.
    """
    from scalectl.arch.loading import find_baseline

    chosen, source = _find_coefficients(run, text)
    if not isinstance(chosen, Recommendation):
        baseline = find_baseline(name or "efficientnet_b0")
        return Start(baseline=baseline, coefficients=chosen, source=source)
    if name:
        chosen = replace(chosen, baseline=find_baseline(name))
    elif isinstance(chosen.baseline, Factory):
        raise ScalectlError(
            f"{source} searched the factory {chosen.baseline.target}, whose code is not run unasked.",
            f"Add --baseline {chosen.baseline.target}.",
        )
    return Start(baseline=chosen.scaled_baseline, coefficients=chosen.coefficients, source=source)


def _find_coefficients(
    run: Path | None, text: str | None
) -> tuple[Coefficients | Recommendation, str]:
    """Return the coefficients named by `text`, or what a run recommends; and their source in words."""
    if run and text:
        raise click.UsageError("Give --from or --coefficients, not both.")
    if text:
        return _parse_coefficients(text), text if text in NAMED else "the command line"
    run = run or find_newest_or_none(of_grid=True)
    if run is None:
        return NAMED["paper"], "the paper (no run under ./runs)"
    chosen, unfinished = _read_recommendation(run)
    if chosen.status == "no_eligible_winner":
        raise ScalectlError(
            f"{run} has no eligible winner: {chosen.reason}",
            "Finish the search, or give --coefficients.",
            exit_code=4,
        )
    doubt = ", NOT IDENTIFIED: the best guess" if chosen.status == "not_identified" else ""
    note = f", {chosen.note[0].lower()}{chosen.note[1:]}" if chosen.note else ""
    return chosen, f"{run}{unfinished}{doubt}{note}"


def _read_recommendation(run: Path) -> tuple[Recommendation, str]:
    """Read what a run recommends, and say where its search is not over; "" where it is."""
    stored = read(run)
    if stored:
        return stored, ""
    from scalectl.report.prose import count_trials
    from scalectl.search.results import read_results, recommend

    results = read_results(run)
    unfinished = ""
    if results.outlook and results.lacks_trials:
        unfinished = f", UNFINISHED: {count_trials(results.outlook)} trials"
    return recommend(results), unfinished


def _parse_coefficients(text: str) -> Coefficients:
    if text in NAMED:
        return NAMED[text]
    try:
        alpha, beta, gamma = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not three numbers alpha,beta,gamma, nor one of {', '.join(NAMED)}.",
            param_hint="--coefficients",
        ) from None
    return Coefficients(alpha, beta, gamma)
