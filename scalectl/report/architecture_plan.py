"""What a search of architectures would train: as a table, and as a JSON document."""

import math
from dataclasses import asdict, fields
from typing import Any

from scalectl.arch.factory import cost_of
from scalectl.arch.space import Space
from scalectl.report.architectures import describe_objective
from scalectl.report.tables import Column, Table
from scalectl.search.architectures import estimate, proposals
from scalectl.search.architectures.plan import ArchitecturePlan


def tabulate_space(plan: ArchitecturePlan) -> Table:
    """List what may be chosen for each part of a stage, and in how many stages that is a choice."""
    rows = []
    for part in fields(Space):
        choices = [
            values
            for name, values in plan.dimensions.items()
            if name.partition(".")[2] == part.name
        ]
        if choices:
            values = dict.fromkeys(value for each in choices for value in each)
            shown = ", ".join(
                f"{value:g}" if isinstance(value, float) else str(value) for value in values
            )
            rows.append({"part": part.name, "choices": shown, "stages": len(choices)})
    return Table(
        name="space",
        title="Choices for each stage",
        columns=(
            Column("part", "part"),
            Column("choices", "choices"),
            Column("stages", "in stages", "d"),
        ),
        rows=tuple(rows),
        notes=("repeats are added to the baseline's, width multiplies its channels.",),
    )


def describe_architecture_plan(plan: ArchitecturePlan, seconds: float | None) -> dict[str, Any]:
    """Describe a plan, for `nas --dry-run`.

    `networks` counts the combinations of choices, some of which are the same network. `trials` is an
    upper bound; `training_macs` is for so many that cost what the first do on average.
    `estimated_seconds` is for what remains, the confirmation included; None where this machine was
    not measured.
    """
    account = plan.trials[0].data.account
    first, at_most = proposals.list_first(plan), proposals.at_most(plan.config)
    spent = sum(trial.count_macs(trial.recipe.epochs) for trial in first)
    return {
        "schema_version": 1,
        "baseline": plan.start.name,
        "macs": cost_of(plan.start).macs,
        "objective": describe_objective(plan.config.objective, plan.start),
        "dimensions": {name: list(values) for name, values in plan.dimensions.items()},
        "networks": math.prod(map(len, plan.dimensions.values())),
        "trials": at_most,
        "training_macs": spent / len(first) * at_most,
        "follow_ups": estimate.count_confirmations(plan.config),
        "estimated_seconds": seconds,
        "account": account and asdict(account),
    }
