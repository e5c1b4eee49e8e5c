"""What `--json` prints: one document per command, whose keys are a promise."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scalectl.evidence import Evidence
from scalectl.reports import tabulate
from scalectl.reports.candidates import describe
from scalectl.reports.ranking import summarised
from scalectl.search import Plan
from scalectl.selection import Summary
from scalectl.trial import Record


def document_plan(plan: Plan, estimated_seconds: float | None) -> dict[str, Any]:
    """Of `grid --dry-run`. The estimate is for what remains; None where this machine was not measured."""
    enumeration = plan.enumeration
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
        "trials": len(plan.trials),
        "training_macs": plan.training_macs,
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
        "damaged": [{"path": str(one.path), "reason": one.reason} for one in evidence.damaged],
        "fingerprints": list(evidence.fingerprints),
    }


def _rows(name: str, evidence: Evidence) -> Sequence[Mapping[str, object]]:
    return tabulate(name, evidence).rows


def _describe_record(record: Record) -> dict[str, Any]:
    return {
        "trial_id": record.trial.id,
        "fingerprint": record.trial.candidate.fingerprint,
        "seed": record.trial.seed,
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
    }
