"""The events of a search as lines of JSON, for programs that follow it."""

import math
from typing import Any

from scalectl.report.json_document import describe_record
from scalectl.search.architectures.engine import Chosen, Event, Waiting
from scalectl.search.engine import (
    Begun,
    Concluded,
    FollowUp,
    Judged,
    Round,
    Searched,
    Timing,
)
from scalectl.trial import Heartbeat, Progress, Record


def describe_event(event: Event) -> dict[str, Any]:  # noqa: C901 - a case for each kind
    """Describe an event under the keys of docs/schema.json; `event` says which one it is."""
    match event:
        case Begun():
            return {
                "event": "begun",
                "schema_version": 1,
                "run": str(event.store.folder),
                "at_most": event.at_most,
                "ended": event.ended,
                "damaged": len(event.damaged),
            }
        case Round():
            return {"event": "round", "trials": [trial.id for trial in event.trials]}
        case Heartbeat():
            trial = event.trial
            steps = {"steps": event.steps, "of_steps": trial.steps}
            return {"event": "heartbeat", "trial_id": trial.id, **steps}
        case Progress():
            return {
                "event": "progress",
                "trial_id": event.trial.id,
                "epoch": event.epoch,
                "of_epochs": event.trial.recipe.epochs,
                "train_loss": _keep_finite(event.train_loss),
                "loss": _keep_finite(event.loss),
                "top1": _keep_finite(event.top1),
            }
        case Record():
            return {"event": "record", **describe_record(event)}
        case Judged():
            return {"event": "judged", "status": event.selection.status}
        case Searched():
            counts = {"asked": event.asked, "at_most": event.at_most, "failed": event.failed}
            return {"event": "searched", **counts}
        case Timing():
            return {"event": "timing"}
        case FollowUp():
            return {"event": "follow_up", "trials": event.trials, "ended": event.ended}
        case Concluded() | Chosen():
            return {"event": "concluded", "failed": event.failed}
        case Waiting():
            return {"event": "waiting", "others": event.others}


def _keep_finite(number: float) -> float | None:
    """Return the number; None for what JSON cannot write."""
    return number if math.isfinite(number) else None
