"""The events of a search as lines of JSON, for programs that follow it."""

import math
from typing import Any

from scalectl.report.json_document import describe_record
from scalectl.search.engine import (
    Begun,
    Concluded,
    Event,
    FollowUp,
    Judged,
    Round,
    Searched,
    Timing,
)
from scalectl.trial import Heartbeat, Progress, Record


def describe_event(event: Event) -> dict[str, Any]:
    """Describe an event under the keys of docs/schema.json; `event` says which one it is."""
    return {"event": _NAMES[type(event)], **_list_values(event)}


_NAMES = {
    Begun: "begun",
    Round: "round",
    Heartbeat: "heartbeat",
    Progress: "progress",
    Record: "record",
    Judged: "judged",
    Searched: "searched",
    Timing: "timing",
    FollowUp: "follow_up",
    Concluded: "concluded",
}


def _list_values(event: Event) -> dict[str, Any]:
    match event:
        case Begun():
            return {
                "schema_version": 1,
                "run": str(event.store.folder),
                "at_most": event.at_most,
                "ended": event.ended,
                "damaged": len(event.damaged),
            }
        case Heartbeat() | Progress():
            return _list_progress(event)
        case Record():
            return describe_record(event)
        case Round():
            return {"trials": [trial.id for trial in event.trials]}
        case Judged():
            return {"status": event.selection.status}
        case Searched():
            return {"asked": event.asked, "at_most": event.at_most, "failed": event.failed}
        case FollowUp():
            return {"trials": event.trials, "ended": event.ended}
        case Concluded():
            return {"failed": event.failed}
        case Timing():
            return {}


def _list_progress(event: Heartbeat | Progress) -> dict[str, Any]:
    trial = event.trial
    if isinstance(event, Heartbeat):
        return {"trial_id": trial.id, "steps": event.steps, "of_steps": trial.steps}
    return {
        "trial_id": trial.id,
        "epoch": event.epoch,
        "of_epochs": trial.recipe.epochs,
        "train_loss": _keep_finite(event.train_loss),
        "loss": _keep_finite(event.loss),
        "top1": _keep_finite(event.top1),
    }


def _keep_finite(number: float) -> float | None:
    """Return the number; None for what JSON cannot write."""
    return number if math.isfinite(number) else None
