"""Begin or continue a run: check that it is the same search, and find what of it is over."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from scalectl.errors import ScalectlError, printable
from scalectl.parsing import read_table
from scalectl.search.architectures.config import ArchitectureConfig
from scalectl.search.architectures.plan import ArchitecturePlan
from scalectl.search.config import Config, dump_config, load_settings
from scalectl.search.plan import Plan
from scalectl.store import atomic
from scalectl.store.checksum import add_checksum
from scalectl.store.reader import DamagedFile, ReadResult, read_run
from scalectl.store.writer import Store
from scalectl.trial import DataCard, Recipe, Record, Trial

Settings = Config | ArchitectureConfig
S = TypeVar("S", bound=Settings)


def claim(plan: Plan | ArchitecturePlan, run: Path) -> tuple[Store, tuple[DamagedFile, ...]]:
    """Open the run's folder for a plan; return it, and the damaged files that were set aside.

    Raises `ScalectlError` for a folder that cannot be written, or that holds another search. More
    seeds or candidates, more points of a sampler, the same images at another place, or another watch,
    are still the same search, unless a strategy decided by them.
    """
    before = look(plan, run)
    config = _strip_places(plan.config)
    path = run / config.FILE
    store = Store(run)
    store.clean_up()
    store.quarantine(before.damaged)
    content = add_checksum(dump_config(config).encode(), path.suffix)
    if not atomic.publish(path, content):
        # Another command may have started at the same moment.
        compare_configs(run, config, read_settings(type(config), run, ()))
        atomic.replace(path, content)
    return store, before.damaged


def look(plan: Plan | ArchitecturePlan, run: Path) -> ReadResult:
    """Read the run's folder, if there is one. Raises `ScalectlError` where it holds another search."""
    config = _strip_places(plan.config)
    refuse_other_kinds(run, type(config))
    before = read_run(run) if (run / "FORMAT.json").exists() else ReadResult()
    compare_configs(run, config, read_settings(type(config), run, before.damaged))
    compare_trials(run, before.records, plan.trials[0])
    return before


def refuse_other_kinds(run: Path, ours: type[object]) -> None:
    """Raise `ScalectlError` where the run holds a search of another kind than ours."""
    for kind in (Config, ArchitectureConfig):
        if kind is not ours and (run / kind.FILE).exists():
            raise _describe_stranger(run, f"scalectl {Path(kind.FILE).stem} made it")


def compare_trials(run: Path, records: Iterable[Record], ours: Trial) -> None:
    """Raise `ScalectlError` where a record of the run belongs to another search than our trial."""
    for trial in (record.trial for record in records):
        if trial.data.digests != ours.data.digests:
            raise _describe_stranger(run, _describe_images(trial.data, ours.data))
        searched = trial.purpose == ours.purpose and trial.recipe != ours.recipe
        # Of architectures each is its own baseline, and ours is where the search starts.
        is_ours = ours.purpose != "nas" or trial.candidate.control == ours.candidate.control
        if searched or (is_ours and trial.baseline != ours.baseline):
            raise _describe_stranger(run, "its baseline or its recipe is another one")


def find_settings(kind: type[S], path: Path, damaged: Sequence[DamagedFile]) -> S | None:
    """Read a run's file of that kind, of a file of records the .toml of its name beside it."""
    if path.is_file():
        beside = path.with_suffix(".toml")
        return load_settings(kind, beside) if beside.exists() else None
    return read_settings(kind, path, damaged)


def read_settings(kind: type[S], run: Path, damaged: Sequence[DamagedFile]) -> S | None:
    """Read the run's file of that kind; None where there is none, or it is among the damaged files.

    A part of the recipe that the version which wrote it did not have was at its default.
    """
    path = run / kind.FILE
    if not path.exists() or path in [file.path for file in damaged]:
        return None
    told = read_table(path).get("proxy", {})
    later = [
        f"proxy.{part.name}={json.dumps(part.default)}"
        for part in fields(Recipe)
        if part.default is not MISSING and part.name not in told
    ]
    return load_settings(kind, path, later)


def recall_config(config: S, run: Path, before: ReadResult) -> S | None:
    """Return the config of a run that was planned for the same time as this one; else None."""
    stored = read_settings(type(config), run, before.damaged)
    return stored if stored and stored.planned_for == config.planned_for else None


_FREE = (
    *("proxy.data", "planned_for", "strategy.points", "trials", "confirm_seeds"),
    *("select.", "confirm.", "fidelity.", "watch.", "resources."),
)
"""Keys that may change from one command to the next: they decide no result, or only add some."""


def compare_configs(run: Path, config: Settings, stored: Settings | None) -> None:
    """Raise `ScalectlError` where the stored config, if there is one, asks for something else."""
    there = _flatten(asdict(stored or config))
    # More of them would change where a sampler's points lie.
    kind = config.strategy.kind if isinstance(config, Config) else ""
    more = ("seeds", "design.max_candidates") if kind != "optuna" else ()
    is_adaptive = kind == "adaptive"
    decisive = ("select.delta", "select.response") if is_adaptive else ()
    for key, value in _flatten(asdict(config)).items():
        is_free = key.startswith((*_FREE, *more)) and key not in decisive
        if value != there[key] and not is_free:
            raise _describe_stranger(run, f"{key} is {there[key]} there and {value} here")


def list_remaining(trials: Sequence[Trial], store: Store, retries: int) -> list[Trial]:
    """List, in order, the trials that have not ended, and have not failed too often."""
    over = store.list_settled(retries)
    return [trial for trial in trials if trial.id not in over]


def read_over(store: Store, retries: int) -> dict[str, Record]:
    """Read, by id, the records of all trials that `list_remaining` leaves out: they will not change.

    Raises `ScalectlError` where a record cannot be read, since no strategy may decide without it.
    """
    over = store.list_settled(retries)
    records = {
        record.trial.id: record for record in store.read().records if record.trial.id in over
    }
    for name in sorted(over - records.keys()):
        raise ScalectlError(
            f"The record of trial {name} was damaged while the search ran, and what is trained next "
            "rests on it.",
            "Run the same command again: it makes it anew.",
            exit_code=3,
        )
    return records


def _strip_places(config: S) -> S:
    """Keep only the last part of each path: where files are on this machine is not stored."""
    kind, _, place = config.proxy.data.partition(":")
    data = f"{kind}:{printable(Path(place).name)}" if place else kind
    baseline = config.baseline if ":" in config.baseline else Path(config.baseline).name
    return replace(config, baseline=baseline, proxy=replace(config.proxy, data=data))


def _flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flatten(value, f"{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _describe_images(theirs: DataCard, ours: DataCard) -> str:
    changed = (theirs.name, theirs.sizes) == (ours.name, ours.sizes)
    since = f": {ours.name} had others when it began" if changed else ""
    return f"it was trained on other images{since}"


def _describe_stranger(run: Path, difference: str) -> ScalectlError:
    return ScalectlError(
        f"{run} holds another search: {difference}.", "Choose another folder with -o."
    )
