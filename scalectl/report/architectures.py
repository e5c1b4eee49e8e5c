"""The results of a search of architectures: in words, as tables, and as a JSON document."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any
from warnings import catch_warnings, simplefilter

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import cost_of
from scalectl.arch.space import read_choices
from scalectl.report.json_document import (
    describe_confirmation,
    describe_damaged,
    describe_data,
    describe_outlook,
    describe_record,
)
from scalectl.report.prose import count_trials
from scalectl.report.tables import Column, Table
from scalectl.report.tables.confirmation import tabulate_confirmations
from scalectl.report.tables.failures import tabulate_failures
from scalectl.search.architectures.config import Objective
from scalectl.search.architectures.results import ArchitectureResults, Network

_LEAST = 10
"""Networks below which importances are not worked out."""


def in_words(results: ArchitectureResults) -> str:
    """State the winner, what it is compared with, and what is missing, in lines without a final break."""
    winner, trial = results.winner, results.records[0].trial
    if winner is None:
        return "\n".join(
            [f"NO WINNER. {results.failed} trainings failed.", *_say_unmeasured(results)]
        )
    lines = [f"Winner: {_say(winner)}, proposed by {winner.proposer}."]
    start = next((network for network in results.networks if network.proposer == "start"), None)
    if start and start is not winner:
        lines.append(f"The baseline: {_say(start)}.")
    lines.append(
        f"Trained: {len(results.networks) + results.unmeasured} proxies on {trial.data.name}, once each; "
        f"{results.failed or 'none'} failed. The best of many is flattered by noise."
    )
    lines += [*_say_latency(results), *_say_unmeasured(results)]
    if results.confirmation:
        lines.append(f"Confirmation at equal MACs. {results.confirmation.claim}")
    if results.outlook and not results.outlook.is_over:
        lines.append(
            f"Unfinished: {count_trials(results.outlook)} trials are over. The command that made it "
            "continues it."
        )
    if trial.data.note:
        lines.append(f"Note: {trial.data.note}.")
    return "\n".join(lines)


def find_status(results: ArchitectureResults) -> str:
    """Judge the winner: "confirmed" only where it is clearly better than all that it is compared with.

    Else "not_confirmed"; "nothing_better" where the baseline itself is ahead, or "no_winner".
    """
    if results.winner is None:
        return "no_winner"
    if results.winner.proposer == "start":
        return "nothing_better"
    comparisons = results.confirmation.comparisons if results.confirmation else ()
    is_ahead = [each.top1.is_clear and each.top1.mean > 0 for each in comparisons]
    is_over = results.outlook is None or results.outlook.is_over
    return "confirmed" if is_over and is_ahead and all(is_ahead) else "not_confirmed"


def _say(network: Network) -> str:
    time = "" if network.seconds is None else f"{1000 * network.seconds:.4g} ms, "
    return (
        f"{network.architecture.name}, {network.macs / 1e6:.4g}M MACs, {time}top-1 of its proxy "
        f"{network.top1:.2%}, objective {network.score:.4f}"
    )


def _say_latency(results: ArchitectureResults) -> Iterator[str]:
    """Say where latency was measured, and what spoils it; no line where MACs were counted."""
    objective = results.config.objective
    if objective.latency:
        place = f" on {objective.latency_on}" if objective.latency_on else ""
        yield (
            f"Latency, in place of MACs: the median for one image at full size{place}; the target is "
            f"{1000 * objective.latency:.4g} ms."
        )
        if results.unsteady:
            yield (
                f"Unsteady: {results.unsteady} of the medians are above 1.5 times the network's fastest "
                "pass. Something else computed meanwhile; measure where nothing does."
            )


def _say_unmeasured(results: ArchitectureResults) -> Iterator[str]:
    """Say how many networks wait for their latency; no line where none does."""
    if results.unmeasured:
        yield (
            f"Left out, since their latency is not measured yet: {results.unmeasured} of the trained "
            "networks. The command that made the run measures it."
        )


def tabulate_stages(results: ArchitectureResults) -> Table:
    """List the winner's stages as Tan & Le (2019) do in their Table 1."""
    winner = results.winner
    rows = list(_describe_stages(winner.architecture, results.start)) if winner else []
    return Table(
        name="stages",
        title=f"Stages of {winner.architecture.name}" if winner else "Stages",
        columns=(
            Column("stage", "stage", "d"),
            Column("operator", "operator"),
            Column("resolution", "resolution", "d"),
            Column("channels", "channels", "d"),
            Column("layers", "layers", "d"),
            Column("baseline", "in the baseline"),
        ),
        rows=tuple(rows),
        notes=("Resolutions are those of the input of a stage, in pixels.",),
    )


def _describe_stages(network: Architecture, start: Architecture) -> Iterator[dict[str, object]]:
    side = network.resolution
    stem, factor = ("Conv7x7 & Pooling", 4) if network.stem == "conv7x7_pool" else ("Conv3x3", 2)
    yield _describe_layer(1, stem, side, network.stem_width)
    side = -(-side // factor)
    for number, (stage, now, was) in enumerate(
        zip(network.stages, _name_operators(network), _name_operators(start), strict=True), 2
    ):
        operator, channels, layers = now
        row = _describe_layer(number, operator, side, channels, layers)
        yield {**row, "baseline": "the same" if was == now else "{}, {} channels x {}".format(*was)}
        side = -(-side // stage.stride)
    head = "Conv1x1 & Pooling & FC" if network.head_width else "Pooling & FC"
    yield _describe_layer(len(network.stages) + 2, head, side, network.features)


def _describe_layer(
    number: int, operator: str, side: int, channels: int, layers: int = 1
) -> dict[str, object]:
    return {
        "stage": number,
        "operator": operator,
        "resolution": side,
        "channels": channels,
        "layers": layers,
        "baseline": "the same",
    }


def _name_operators(network: Architecture) -> Iterator[tuple[str, int, int]]:
    """Yield each stage's operator, such as "MBConv6, k5x5, SE", with its channels and layers.

    What a block cannot have, such as a shortcut where its width changes, is no part of the name.
    """
    names = {"mbconv": "MBConv", "fused": "Fused-MBConv", "separable": "SepConv"}
    for stage, blocks in zip(network.stages, network.list_blocks(), strict=True):
        expansion = "" if stage.block == "separable" else f"{stage.expansion:g}"
        parts = [f"{names[stage.block]}{expansion}", f"k{stage.kernel}x{stage.kernel}"]
        if any(block.squeezed for block in blocks):
            parts.append("SE")
        if (
            any(block.stride == 1 and block.width == block.out for block in blocks)
            and not stage.skip
        ):
            parts.append("no skip")
        yield ", ".join(parts), stage.width, stage.repeats


def tabulate_networks(results: ArchitectureResults) -> Table:
    """List all networks, the highest objective first."""
    time = Column("milliseconds", "ms", ".4g", essential=True)
    return Table(
        name="networks",
        title="Networks",
        columns=(
            Column("name", "network"),
            Column("proposer", "proposed by"),
            Column("macs", "MACs", ",d", essential=True),
            *([time] if results.config.objective.latency else []),
            Column("top1", "top-1 of its proxy", ".2%", essential=True),
            Column("score", "objective", ".4f", essential=True),
        ),
        rows=tuple(map(describe_network, results.networks)),
    )


def tabulate_front(results: ArchitectureResults) -> Table:
    """List the networks that no other beats in both accuracy and cost, cheapest first."""
    return replace(
        tabulate_networks(results),
        name="front",
        title=f"Front of accuracy and {'latency' if results.config.objective.latency else 'MACs'}",
        rows=tuple(map(describe_network, results.front)),
        notes=("Each was trained once: differences smaller than the noise mean nothing.",),
    )


def describe_network(network: Network) -> dict[str, object]:
    """Describe a network under the keys of `--json`."""
    return {
        "name": network.architecture.name,
        "proposer": network.proposer,
        "macs": network.macs,
        "milliseconds": None if network.seconds is None else 1000 * network.seconds,
        "top1": network.top1,
        "score": network.score,
    }


def tabulate_samplers(results: ArchitectureResults) -> Table:
    """List the best network of each proposer."""
    groups: dict[str, list[Network]] = defaultdict(list)
    for network in results.networks:
        groups[network.proposer].append(network)
    shared = min(results.config.startup, results.config.trials)
    time = Column("milliseconds", "its ms", ".4g")
    return Table(
        name="samplers",
        title="Who proposed what",
        columns=(
            Column("proposer", "proposed by"),
            Column("networks", "networks", "d"),
            Column("mean_score", "mean objective", ".4f"),
            Column("score", "best objective", ".4f"),
            Column("top1", "its top-1", ".2%"),
            Column("macs", "its MACs", ",d"),
            *([time] if results.config.objective.latency else []),
        ),
        rows=tuple(
            {
                **describe_network(networks[0]),
                "networks": len(networks),
                "mean_score": fmean(network.score for network in networks),
            }
            for networks in groups.values()
        ),
        notes=(f"The first {shared} random networks are the start of every sampler.",),
    )


def tabulate_importances(results: ArchitectureResults) -> Table:
    """List what each choice did: its importance for the objective, and the mean objective by choice."""
    rows = [
        {
            "dimension": name,
            "importance": importance,
            "choices": "; ".join(
                f"{choice} {fmean(scores):.3f} ({len(scores)})"
                for choice, scores in list_choices(name, results)
            ),
        }
        for name, importance in find_importances(results).items()
    ]
    return Table(
        name="importances",
        title="What each choice did",
        columns=(
            Column("dimension", "choice"),
            Column("importance", "importance", ".1%"),
            Column("choices", "mean objective (networks)"),
        ),
        rows=tuple(rows),
        notes=(
            "stage1 is the first stage after the stem: stage 2 in the table of stages.",
            "Importance: Optuna's PED-ANOVA (Watanabe et al. 2023), for being among the best tenth.",
        ),
    )


def find_importances(results: ArchitectureResults) -> dict[str, float]:
    """Let Optuna say how much each choice mattered; empty for few networks."""
    if len(results.networks) < _LEAST:
        return {}
    import optuna
    from optuna.distributions import CategoricalDistribution
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    described = [read_choices(results.start, network.architecture) for network in results.networks]
    values_by_choice = {
        name: tuple(dict.fromkeys(choices[name] for choices in described)) for name in described[0]
    }
    space = {
        name: CategoricalDistribution(values)
        for name, values in values_by_choice.items()
        if values[1:]
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for choices, network in zip(described, results.networks, strict=True):
        params = {name: choices[name] for name in space}
        study.add_trial(
            optuna.create_trial(params=params, distributions=space, value=network.score)
        )
    with catch_warnings():
        simplefilter("ignore")  # it was experimental before Optuna 5
        return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator()))


def list_choices(name: str, results: ArchitectureResults) -> list[tuple[str, list[float]]]:
    """List the choices of a dimension with the objectives of their networks, the best mean first."""
    groups: dict[Any, list[float]] = defaultdict(list)
    for network in results.networks:
        groups[read_choices(results.start, network.architecture)[name]].append(network.score)
    ordered = sorted(groups.items(), key=lambda item: -fmean(item[1]))
    return [
        (f"{choice:.3g}" if isinstance(choice, float) else str(choice), scores)
        for choice, scores in ordered
    ]


TABLES: dict[str, Callable[[ArchitectureResults], Table]] = {
    "stages": tabulate_stages,
    "front": tabulate_front,
    "samplers": tabulate_samplers,
    "importances": tabulate_importances,
    "confirmation": lambda results: tabulate_confirmations(
        results.confirmations, "Nothing was confirmed yet."
    ),
    "networks": tabulate_networks,
    "failures": lambda results: tabulate_failures(
        results.records, lambda trial: trial.baseline.name
    ),
}
"""Name -> what makes the table, without rows where its data are missing; in the order of a report."""


def describe_architecture_run(results: ArchitectureResults) -> dict[str, Any]:
    """Describe a search of architectures, for `report` and `nas`."""
    trial = results.records[0].trial
    return {
        "schema_version": 1,
        "run": results.name,
        "data": describe_data(trial.data),
        "recipe": asdict(trial.recipe),
        "objective": describe_objective(results.config.objective, results.start),
        "unmeasured": results.unmeasured,
        "unsteady": results.unsteady,
        "winner": results.winner
        and {
            **describe_network(results.winner),
            "architecture": results.winner.architecture.to_dict(),
        },
        **{
            name: list(make(results).rows)
            for name, make in TABLES.items()
            if name != "confirmation"
        },
        "confirmation": results.confirmation and describe_confirmation(results.confirmation),
        "records": [describe_record(record) for record in results.records],
        "damaged": describe_damaged(results.damaged),
        **describe_outlook(results.outlook),
    }


def describe_objective(objective: Objective, start: Architecture) -> dict[str, Any]:
    """Describe an objective with its target: `latency` in seconds where that is above 0, else `macs`."""
    macs = 0.0 if objective.latency else objective.macs or cost_of(start).macs
    return {**asdict(objective), "macs": macs}
