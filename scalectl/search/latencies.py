"""Measure how long a run's networks take for one image, and keep that beside its records."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from scalectl.arch.factory import Baseline
from scalectl.errors import ScalectlError, describe
from scalectl.store.json_file import read_json, write_json
from scalectl.store.locks import Locks
from scalectl.trial import Candidate

_FILE = "latencies.json"
_Networks = Mapping[str, Mapping[str, Any]]
"""Fingerprint -> the fields of a `Latency`."""
T = TypeVar("T")


def read(run: Path) -> Mapping[str, float]:
    """Read seconds by fingerprint; empty where nothing was measured, or the file is damaged.

    Of a .parquet file they are in the file of its name that ends in .latencies.json.
    """

    def parse(networks: _Networks) -> dict[str, float]:
        return {name: float(latency["seconds"]) for name, latency in networks.items()}

    return _read(run, parse) or {}


def count_unsteady(run: Path) -> int:
    """Count networks whose median is above 1.5 times the fastest pass: something else computed meanwhile."""

    def parse(networks: _Networks) -> int:
        return sum(each["seconds"] > 1.5 * each["fastest"] for each in networks.values())

    return _read(run, parse) or 0


def _read(run: Path, parse: Callable[[_Networks], T]) -> T | None:
    """Read what a run's file says of its networks; None where it is missing or damaged."""
    path = run.with_suffix(f".{_FILE}") if run.is_file() else run / _FILE
    return read_json(path, lambda content: parse(content["networks"]))


def _write(run: Path, networks: _Networks) -> None:
    write_json(run / _FILE, {"schema_version": 1, "networks": networks})


def measure(run: Path, candidates: Iterable[Candidate], device: str) -> None:
    """Measure all candidates, one after the other, unless each has been measured already.

    They are measured together, so that they are compared on one machine under one load.
    Raises `ScalectlError` where a network cannot be measured.
    """
    networks = {candidate.fingerprint: candidate.architecture for candidate in candidates}
    if networks.keys() <= read(run).keys():
        return
    advice = "Choose another --device, or --set select.by=activations."
    _write(run, {name: _time(network, device, advice) for name, network in networks.items()})


def complete(
    run: Path, networks: Iterable[Baseline], device: str, locks: Locks
) -> Mapping[str, float]:
    """Measure the networks that the run's file lacks; return seconds by fingerprint.

    What is in the file stays: of several commands one measures, and all go on with what it wrote.
    Raises `ScalectlError` where a network cannot be measured, or the file is of another machine.
    """
    wanted = {network.fingerprint: network for network in networks}
    if not wanted.keys() <= _read_whole(run).keys():
        while not locks.acquire(_FILE):  # another command measures
            time.sleep(_PAUSE)
        try:
            for name, network in wanted.items():
                locks.touch()
                if name not in _read_whole(run):
                    advice = "Measure elsewhere with --latency-on, or search by --macs."
                    _add(run, name, _time(network, device, advice))
        finally:
            locks.release(_FILE)
    return _read_whole(run)


def _read_whole(run: Path) -> Mapping[str, float]:
    """Read what was measured. Raises `ScalectlError` where it is damaged, since proposals rest on it."""
    latencies = read(run)
    if not latencies and (run / _FILE).exists():
        raise ScalectlError(
            f"{run / _FILE} was damaged while the search ran, and what is trained next rests on it.",
            "Run the same command again: it measures anew.",
            exit_code=3,
        )
    return latencies


_PAUSE = 0.1
"""Seconds between looks at whether another command still measures."""


def _time(network: Baseline, device: str, advice: str) -> dict[str, Any]:
    from scalectl.training.latency import measure_latency

    try:
        return asdict(measure_latency(network, device))
    except Exception as problem:  # of torch, such as too little memory
        raise ScalectlError(
            f"The latency of {network.name} cannot be measured on {device}: {describe(problem)}.",
            advice,
        ) from None


def _add(run: Path, name: str, latency: dict[str, Any]) -> None:
    """Put a latency into the file, unless another command did. Raises where it cannot be compared."""
    there = _read(run, dict) or {}
    for other in there.values():
        if any(other[part] != latency[part] for part in ("device", "threads")):
            raise ScalectlError(
                f"The latencies in {run} are of {_describe(other)}, and here is {_describe(latency)}.",
                "Go on where it began, or choose another folder with -o.",
            )
    _write(run, {**there, name: there.get(name, latency)})


def _describe(latency: Mapping[str, Any]) -> str:
    return "{device} with {threads} threads".format(**latency)
