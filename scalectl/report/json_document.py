"""The JSON document of each command. Its keys are an interface: other programs read them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from scalectl.analysis.confirmation import Confirmation, Difference
from scalectl.analysis.fidelity import Fidelity
from scalectl.analysis.selection import Standing
from scalectl.report.tables import tabulate
from scalectl.report.tables.candidates import describe_candidate
from scalectl.report.tables.comparison import tabulate_runs
from scalectl.report.tables.ranking import describe_summary
from scalectl.search import followups, strategies
from scalectl.search.plan import Plan, count_macs
from scalectl.search.plan_file import Outlook
from scalectl.search.results import Results
from scalectl.store.reader import DamagedFile
from scalectl.trial import DataCard, Record


def describe_plan(plan: Plan, estimated_seconds: float | None) -> dict[str, Any]:
    """Describe a plan, for `grid --dry-run`.

    `trials` is an upper bound where the strategy decides as it goes. `estimated_seconds` is for what
    remains, follow-ups included; None where this machine was not measured.
    """
    enumeration = plan.enumeration
    trials = strategies.find_strategy(plan.config.strategy.kind).at_most(plan)
    account = plan.trials[0].data.account
    return {
        "schema_version": 2,
        "candidates": [describe_candidate(candidate) for candidate in enumeration.candidates],
        "rejected": [
            {
                **asdict(rejected.coefficients),
                "control": rejected.control,
                "realised_ratio": rejected.realised_ratio,
                "reason": rejected.reason,
            }
            for rejected in enumeration.rejected
        ],
        "merged": enumeration.merged,
        "strategy": asdict(plan.config.strategy),
        "trials": len(trials),
        "training_macs": count_macs(trials),
        "follow_ups": len(followups.expect(plan)),
        "estimated_seconds": estimated_seconds,
        "account": account and asdict(account),
    }


def describe_run(results: Results) -> dict[str, Any]:
    """Describe a run, for `report` and `grid`."""
    trial = results.records[0].trial
    return {
        "schema_version": 2,
        "run": results.name,
        "data": describe_data(trial.data),
        "account": trial.data.account and asdict(trial.data.account),
        "recipe": asdict(trial.recipe),
        "candidates": [describe_summary(summary) for summary in results.summaries],
        "records": [describe_record(record) for record in results.records],
        "selection": _describe_selection(results),
        **{name: tabulate(name, results).rows for name in ("controls", "family", "frontier")},
        "controls_absent": dict(results.absent),
        "confirmations": [describe_confirmation(each) for each in results.confirmations],
        "fidelity": results.fidelity and _describe_fidelity(results.fidelity),
        "latencies": dict(results.latencies),
        "damaged": describe_damaged(results.damaged),
        "fingerprints": list(results.fingerprints),
        **describe_outlook(results.outlook),
    }


def describe_runs(runs: Sequence[Results]) -> dict[str, Any]:
    """Describe a run, or compare several, for `report`."""
    if len(runs) == 1:
        return describe_run(runs[0])
    return {
        "schema_version": 2,
        "comparison": list(tabulate_runs(runs).rows),
        "runs": [describe_run(run) for run in runs],
    }


def describe_data(card: DataCard) -> dict[str, Any]:
    """Describe the data, without their account."""
    return {key: value for key, value in asdict(card).items() if key != "account"}


def describe_damaged(files: Iterable[DamagedFile]) -> list[dict[str, str]]:
    """Describe the files of a run that are not what was written."""
    return [{"path": str(file.path), "reason": file.reason} for file in files]


def describe_outlook(outlook: Outlook | None) -> dict[str, Any]:
    """Describe how much of a search is over; None where that is not known."""
    if outlook is None:
        return {"planned": None, "missing": None}
    missing = [{"fingerprint": trial.fingerprint, "seed": trial.seed} for trial in outlook.missing]
    return {"planned": outlook.planned, "missing": missing}


def describe_record(record: Record) -> dict[str, Any]:
    """Describe how a trial ended, under the keys of `--json`."""
    return {
        "trial_id": record.trial.id,
        "fingerprint": record.trial.candidate.fingerprint,
        "seed": record.trial.seed,
        "stage": record.trial.purpose,
        "phi": record.trial.candidate.phi,
        "state": str(record.state),
        "top1": record.top1,
        "balanced_top1": record.balanced_top1,
        "loss": record.loss,
        "train_top1": record.train_top1,
        "train_loss": record.train_loss,
        "curve": list(record.curve),
        "top1_curve": list(record.top1_curve),
        "train_curve": list(record.train_curve),
        "seconds": record.seconds,
        "macs_spent": record.macs_spent,
        "peak_memory": record.peak_memory,
        "error": record.error,
    }


def _describe_selection(results: Results) -> dict[str, Any]:
    selection = results.selection
    return {
        "status": selection.status,
        "reason": selection.reason,
        "recommended": asdict(selection.recommended),
        "winner": selection.winner and describe_summary(selection.winner),
        "argmax": selection.argmax and describe_summary(selection.argmax),
        "optimum": selection.optimum and asdict(selection.optimum),
        "evidence": selection.evidence and asdict(selection.evidence),
        "networks": [_describe_standing(standing) for standing in selection.standings],
        "trainings_needed": selection.trainings_needed,
    }


def _describe_standing(standing: Standing) -> dict[str, Any]:
    behind, low, high = standing.behind
    return {
        "fingerprint": standing.summary.candidate.fingerprint,
        "regret": standing.regret,
        "bound": standing.bound,
        "chance_best": standing.chance_best,
        "chance_within": standing.chance_within,
        "ruled_out": standing.is_ruled_out,
        "behind": behind,
        "behind_low": low,
        "behind_high": high,
    }


def describe_confirmation(confirmation: Confirmation) -> dict[str, Any]:
    """Describe the reference against every control, at one size."""
    return {
        "phi": confirmation.phi,
        "reference": describe_candidate(confirmation.reference),
        "mean_top1": confirmation.mean_top1,
        "comparisons": [
            {
                "control": describe_candidate(comparison.control),
                **_describe_difference(comparison.top1),
                "log_loss": comparison.log_loss and _describe_difference(comparison.log_loss),
            }
            for comparison in confirmation.comparisons
        ],
        "claim": confirmation.claim,
    }


def _describe_difference(difference: Difference) -> dict[str, Any]:
    values = asdict(difference)
    return {"differences": list(values.pop("by_seed")), **values}


def _describe_fidelity(fidelity: Fidelity) -> dict[str, Any]:
    pairs = [
        {**describe_candidate(candidate), "mean_top1": brief, "longer_mean_top1": longer}
        for candidate, brief, longer in fidelity.pairs
    ]
    values = {field.name: getattr(fidelity, field.name) for field in fields(fidelity)}
    shares = {name: values[name] and asdict(values[name]) for name in ("shares", "longer_shares")}
    return {**values, **shares, "pairs": pairs}
