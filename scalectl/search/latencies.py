"""Measure how long a run's networks take for one image, and keep that beside its records."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scalectl.store.json_file import read_json, write_json
from scalectl.trial import Candidate

_FILE = "latencies.json"


def read(run: Path) -> Mapping[str, float]:
    """Read seconds by fingerprint; empty where nothing was measured, or the file is damaged."""
    return read_json(run / _FILE, _parse) or {}


def _parse(content: dict[str, Any]) -> dict[str, float]:
    return {name: float(latency["seconds"]) for name, latency in content["networks"].items()}


def measure(run: Path, candidates: Iterable[Candidate], device: str) -> None:
    """Measure all candidates, one after the other, unless each has been measured already.

    They are measured together, so that they are compared on one machine under one load.
    """
    from scalectl.training.latency import measure_latency

    networks = {candidate.fingerprint: candidate.architecture for candidate in candidates}
    if networks.keys() <= read(run).keys():
        return
    measured = {
        name: asdict(measure_latency(network, device)) for name, network in networks.items()
    }
    write_json(run / _FILE, {"schema_version": 1, "networks": measured})
