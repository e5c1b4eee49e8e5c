"""Read a search of architectures, and work out what its records support: the winner and its confirmation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scalectl.analysis.confirmation import Confirmation, compare_networks
from scalectl.analysis.summaries import find_frontier
from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import cost_of
from scalectl.arch.loading import WINNER
from scalectl.arch.scaling import Multipliers, bisect, scale
from scalectl.errors import ScalectlError
from scalectl.search import latencies
from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.architectures.plan import is_start, rate
from scalectl.search.config import FRESH
from scalectl.search.plan_file import Outlook, look_ahead
from scalectl.search.resume import find_settings
from scalectl.store import reader
from scalectl.store.json_file import write_json
from scalectl.store.parquet import list_purposes
from scalectl.trial import Record, State, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network of the space whose training finished."""

    record: Record
    architecture: Architecture
    """At full size."""
    macs: int
    """At full size."""
    seconds: float | None
    """Measured for one image at full size, where latency is the objective."""
    top1: float
    """Of its proxy, on the select split."""
    score: float
    """The objective: accuracy * (cost / target)^exponent."""

    @property
    def cost(self) -> float:
        """What the objective weighs accuracy against: seconds, or MACs."""
        return self.macs if self.seconds is None else self.seconds

    @property
    def proposer(self) -> str:
        """Who proposed it: "tpe", "nsga2" or "random"; "start" is the baseline itself."""
        return self.record.trial.candidate.control


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureResults:
    """Everything that reports of a search of architectures are made of."""

    name: str
    """Name of the run's folder or file."""
    config: ArchitectureConfig
    start: Architecture
    """The baseline, at full size."""
    records: tuple[Record, ...]
    damaged: tuple[reader.DamagedFile, ...]
    networks: tuple[Network, ...]
    """The highest objective comes first."""
    confirmation: Confirmation | None
    """The winner against the baseline and the best random network, as `plan_confirmation` says."""
    unsteady: int
    """Number of networks whose latency was measured while something else computed."""
    outlook: Outlook | None
    """How much of the search is over; None where that is not known, as of a file of records."""

    @property
    def confirmations(self) -> tuple[Confirmation, ...]:
        """The confirmation, where there is one."""
        return (self.confirmation,) if self.confirmation else ()

    @property
    def failed(self) -> int:
        """Number of networks whose training failed."""
        searched = sum(record.trial.purpose == "nas" for record in self.records)
        return searched - sum(map(is_trained, self.records))

    @property
    def unmeasured(self) -> int:
        """Number of trained networks that are not ranked, since their latency is not known."""
        return sum(map(is_trained, self.records)) - len(self.networks)

    @property
    def winner(self) -> Network | None:
        """The network with the highest objective; None where no training finished."""
        return self.networks[0] if self.networks else None

    @property
    def front(self) -> tuple[Network, ...]:
        """The networks that no other beats in both accuracy and cost, cheapest first."""
        points = ((network.cost, network.top1, network) for network in self.networks)
        return tuple(network for _, _, network in find_frontier(points))


def is_architecture_run(path: Path) -> bool:
    """Whether a run's folder, or a file of records, is of a search of architectures."""
    if path.is_file():
        return "nas" in list_purposes(path)
    return (path / ArchitectureConfig.FILE).exists()


def read_architecture_results(path: Path) -> ArchitectureResults:
    """Read a run's folder, or a .parquet file with the search's .toml beside it.

    Raises `ScalectlError` where there is none, or where the baseline's training is missing, or the
    latencies that decided.
    """
    reading = reader.read(path)
    config = find_settings(ArchitectureConfig, path, reading.damaged)
    trials = (record.trial for record in reading.records)
    start = next(filter(is_start, trials), None)
    if config is None or start is None:
        what = "its baseline's record" if config else f"its {ArchitectureConfig.FILE}"
        raise ScalectlError(
            f"{path} lacks {what}.",
            "Run scalectl nas with the arguments that made it: it continues.",
            exit_code=3 if reading.damaged else 2,
        )
    assert isinstance(start.baseline, Architecture)
    seconds = _read_latencies(path) if config.objective.latency else {}
    networks = rank(reading.records, config, start.baseline, seconds)
    return ArchitectureResults(
        name=path.name,
        config=config,
        start=start.baseline,
        records=reading.records,
        damaged=reading.damaged,
        networks=networks,
        confirmation=_confirm(reading.records, plan_confirmation(config, networks)),
        unsteady=latencies.count_unsteady(path) if config.objective.latency else 0,
        outlook=look_ahead(path, reading.records),
    )


def _read_latencies(path: Path) -> Mapping[str, float]:
    measured = latencies.read(path)
    if path.is_file() and not measured:
        raise ScalectlError(
            f"{path} is of a search by latency, and has no {path.stem}.latencies.json beside it.",
            "Copy latencies.json of the run's folder there.",
        )
    return measured


def is_trained(record: Record) -> bool:
    """Whether a record is of a network of the space whose training finished."""
    is_over = record.state is State.DONE and record.top1 is not None
    return is_over and record.trial.purpose == "nas"


def rank(
    records: Iterable[Record],
    config: ArchitectureConfig,
    start: Architecture,
    seconds: Mapping[str, float],
) -> tuple[Network, ...]:
    """List the networks of a search, the highest objective first.

    `seconds` has latencies by fingerprint; where they are the objective, networks without are left out.
    """
    networks = []
    for record in filter(is_trained, records):
        architecture = record.trial.baseline
        assert isinstance(architecture, Architecture)
        assert record.top1 is not None
        measured, macs = seconds.get(architecture.fingerprint), cost_of(architecture).macs
        if measured is None and config.objective.latency:
            continue
        cost = macs if measured is None else measured
        network = Network(
            record=record,
            architecture=architecture,
            macs=macs,
            seconds=measured,
            top1=record.top1,
            score=rate(record.top1, cost, config, start),
        )
        networks.append(network)
    return tuple(sorted(networks, key=lambda network: (-network.score, network.record.trial.id)))


def plan_confirmation(
    config: ArchitectureConfig, networks: Sequence[Network]
) -> Mapping[str, tuple[Trial, ...]]:
    """Plan the trainings of the winner, the baseline and the best random network on fresh seeds.

    Proxies are compared at the MACs of the winner's: the others are made wider or narrower. Nothing
    is planned where the baseline itself won.
    """
    if not networks or not config.confirm_seeds or networks[0].proposer == "start":
        return {}
    winner = networks[0]
    chosen = {"winner": winner}
    for name in ("start", "random"):
        best = next((network for network in networks if network.proposer == name), winner)
        if best is not winner:
            chosen[name] = best
    macs = winner.record.trial.candidate.cost.macs
    return {
        name: tuple(
            replace(_equalise(network.record.trial, name, macs), seed=seed)
            for seed in range(FRESH, FRESH + config.confirm_seeds)
        )
        for name, network in chosen.items()
    }


def _equalise(trial: Trial, name: str, macs: int) -> Trial:
    """Make a confirmation of a network whose proxy is as wide as gives these MACs."""
    candidate = trial.candidate
    small = candidate.architecture
    assert isinstance(small, Architecture)
    if candidate.cost.macs != macs:
        small = _widen(small, macs)
    cost = cost_of(small)
    candidate = replace(
        candidate,
        control=name,
        architecture=small,
        cost=cost,
        nominal_ratio=1.0,
        realised_ratio=cost.macs / macs,
    )
    return replace(trial, candidate=candidate, purpose="confirm")


def _widen(network: Architecture, macs: int) -> Architecture:
    """Widen or narrow a network as near to these MACs as it gets."""

    def at(doublings: float) -> Architecture:
        return scale(network, Multipliers(width=2**doublings))

    return at(bisect(lambda doublings: cost_of(at(doublings)).macs, macs, -4.0, 4.0, 2.0**-10))


def _confirm(
    records: Iterable[Record], planned: Mapping[str, tuple[Trial, ...]]
) -> Confirmation | None:
    if "winner" not in planned:
        return None
    names = {trial.id for trials in planned.values() for trial in trials}
    done = [record for record in records if record.trial.id in names and record.state is State.DONE]
    return compare_networks(done, planned["winner"][0].candidate.fingerprint)


def write_winner(results: ArchitectureResults, run: Path) -> None:
    """Put the winner beside the records, as a file of stages that is a `--baseline`."""
    if results.winner is None:
        return
    network = results.winner.architecture.to_dict()
    write_json(run / WINNER, {"schema_version": 1, "architecture": network})
