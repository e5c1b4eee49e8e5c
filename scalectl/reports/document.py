"""What `--json` prints: one document per command, whose keys are a promise."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from scalectl import strategies, validation
from scalectl.comparison import Confirmation
from scalectl.evidence import Evidence
from scalectl.fidelity import Fidelity
from scalectl.reports import tabulate
from scalectl.reports.candidates import describe
from scalectl.reports.comparison import tabulate_runs
from scalectl.reports.ranking import summarised
from scalectl.search import Plan, count_macs
from scalectl.selection import Summary
from scalectl.trial import Record


def document_plan(plan: Plan, estimated_seconds: float | None) -> dict[str, Any]:
    """Of `grid --dry-run`.

    Its trials are so many at most, where the strategy decides as it goes. The estimate is for what
    remains, follow-ups included; None where this machine was not measured.
    """
    enumeration, trials = plan.enumeration, strategies.at_most(plan)
    return {
        "schema_version": 1,
        "candidates": [describe(candidate) for candidate in enumeration.candidates],
        "rejected": [
            {
                **asdict(one.coefficients),
                "control": one.control,
                "realised_ratio": one.realised_ratio,
                "reason": one.reason,
            }
            for one in enumeration.rejected
        ],
        "merged": enumeration.merged,
        "strategy": asdict(plan.grid.strategy),
        "trials": len(trials),
        "training_macs": count_macs(trials),
        "follow_ups": len(validation.expect(plan)),
        "estimated_seconds": estimated_seconds,
    }


def document_evidence(evidence: Evidence) -> dict[str, Any]:
    """Of `report`, one run."""
    return {
        "schema_version": 1,
        "run": evidence.name,
        "data": asdict(evidence.records[0].trial.data),
        "recipe": asdict(evidence.records[0].trial.recipe),
        "candidates": [summarised(summary) for summary in evidence.summaries],
        "records": [_describe_record(record) for record in evidence.records],
        "selection": _describe_selection(evidence),
        **{name: _rows(name, evidence) for name in ("controls", "family", "frontier")},
        "confirmations": [_describe_confirmation(one) for one in evidence.confirmations],
        "fidelity": evidence.fidelity and _describe_fidelity(evidence.fidelity),
        "latencies": dict(evidence.latencies),
        "damaged": [{"path": str(one.path), "reason": one.reason} for one in evidence.damaged],
        "fingerprints": list(evidence.fingerprints),
        **_describe_outlook(evidence),
    }


def document_runs(found: Sequence[Evidence]) -> dict[str, Any]:
    """Of `report`, several runs."""
    return {
        "schema_version": 1,
        "comparison": list(tabulate_runs(found).rows),
        "runs": [document_evidence(one) for one in found],
    }


def _describe_outlook(evidence: Evidence) -> dict[str, Any]:
    outlook = evidence.outlook
    if outlook is None:
        return {"planned": None, "missing": None}
    missing = [
        {"fingerprint": trial.candidate.fingerprint, "seed": trial.seed}
        for trial in outlook.missing
    ]
    return {"planned": outlook.planned, "missing": missing}


def _rows(name: str, evidence: Evidence) -> Sequence[Mapping[str, object]]:
    return tabulate(name, evidence).rows


def _describe_record(record: Record) -> dict[str, Any]:
    return {
        "trial_id": record.trial.id,
        "fingerprint": record.trial.candidate.fingerprint,
        "seed": record.trial.seed,
        "stage": record.trial.stage,
        "phi": record.trial.candidate.phi,
        "state": str(record.state),
        "top1": record.top1,
        "loss": record.loss,
        "train_top1": record.train_top1,
        "train_loss": record.train_loss,
        "curve": list(record.curve),
        "seconds": record.seconds,
        "macs_spent": record.macs_spent,
        "peak_memory": record.peak_memory,
        "error": record.error,
    }


def _describe_selection(evidence: Evidence) -> dict[str, Any]:
    selection = evidence.selection

    def brief(summary: Summary | None) -> dict[str, Any] | None:
        return summarised(summary) if summary else None

    return {
        "status": selection.status,
        "reason": selection.reason,
        "recommended": asdict(selection.recommended),
        "winner": brief(selection.winner),
        "argmax": brief(selection.argmax),
        "optimum": selection.optimum and asdict(selection.optimum),
        "indifference": selection.indifference and asdict(selection.indifference),
        "fit": selection.fit and asdict(selection.fit),
        "chances": dict(selection.chances),
        "seeds_needed": selection.seeds_needed,
    }


def _describe_confirmation(confirmation: Confirmation) -> dict[str, Any]:
    return {
        "phi": confirmation.phi,
        "reference": describe(confirmation.reference),
        "mean_top1": confirmation.mean_top1,
        "comparisons": [
            {
                "control": describe(one.control),
                "differences": list(one.differences),
                "mean": one.mean,
                "interval": one.interval,
                "p": one.p,
                "p_holm": one.p_holm,
            }
            for one in confirmation.comparisons
        ],
        "claim": confirmation.claim,
    }


def _describe_fidelity(fidelity: Fidelity) -> dict[str, Any]:
    pairs = [
        {**describe(candidate), "mean_top1": brief, "longer_mean_top1": longer}
        for candidate, brief, longer in fidelity.pairs
    ]
    values = {one.name: getattr(fidelity, one.name) for one in fields(fidelity)}
    shares = {name: values[name] and asdict(values[name]) for name in ("shares", "longer_shares")}
    return {**values, **shares, "pairs": pairs}
