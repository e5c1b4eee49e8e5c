"""What to scale, and by which coefficients: those of the command line, of a run, or of the paper."""

from dataclasses import dataclass, replace
from pathlib import Path

import click

from scalectl.analysis.recommendation import Recommendation, read
from scalectl.arch.factory import Baseline, Factory
from scalectl.arch.scaling import NAMED, Coefficients
from scalectl.commands.runs import find_newest_or_none
from scalectl.errors import ScalectlError


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What to scale, and by what."""

    baseline: Baseline
    coefficients: Coefficients
    source: str
    """Whose coefficients they are, in words."""


def find_start(run: Path | None, text: str | None, name: str | None) -> Start:
    """The named baseline, else the run's, else B0; by the coefficients named, else the run's.

    It rounds as the run's candidates did. A run that searched a factory names code, and code is run
    only where the user names it.
    """
    from scalectl.arch.loading import find_baseline

    found, source = _find_coefficients(run, text)
    if not isinstance(found, Recommendation):
        baseline = find_baseline(name or "efficientnet_b0")
        return Start(baseline=baseline, coefficients=found, source=source)
    if name:
        found = replace(found, baseline=find_baseline(name))
    elif isinstance(found.baseline, Factory):
        raise ScalectlError(
            f"{source} searched the factory {found.baseline.target}, whose code is not run unasked.",
            f"Add --baseline {found.baseline.target}.",
        )
    return Start(baseline=found.scaled_baseline, coefficients=found.coefficients, source=source)


def _find_coefficients(
    run: Path | None, text: str | None
) -> tuple[Coefficients | Recommendation, str]:
    """What to scale by, and whose it is, in words."""
    if run and text:
        raise click.UsageError("Give --from or --coefficients, not both.")
    if text:
        return _parse_coefficients(text), text if text in NAMED else "the command line"
    run = run or find_newest_or_none()
    if run is None:
        return NAMED["paper"], "the paper (no run under ./runs)"
    verdict = _read_verdict(run)
    if verdict.status == "no_eligible_winner":
        raise ScalectlError(
            f"{run} has no eligible winner: {verdict.reason}",
            "Finish the search, or give --coefficients.",
            exit_code=4,
        )
    doubt = ", NOT IDENTIFIED: the best guess" if verdict.status == "not_identified" else ""
    note = f", {verdict.note[0].lower()}{verdict.note[1:]}" if verdict.note else ""
    return verdict, f"{run}{doubt}{note}"


def _read_verdict(run: Path) -> Recommendation:
    stored = read(run)
    if stored:
        return stored
    from scalectl.search.results import read_results, recommend

    return recommend(read_results(run))


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
