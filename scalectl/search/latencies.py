"""Measure how long a run's networks take for one image, and keep that beside its records."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from scalectl.store import atomic
from scalectl.store.checksum import add_checksum, verify_checksum
from scalectl.trial import Candidate

_FILE = "latencies.json"


def read(run: Path) -> Mapping[str, float]:
    """Read seconds by fingerprint; empty where nothing was measured, or the file is damaged."""
    path = run / _FILE
    try:
        networks = json.loads(verify_checksum(path.read_bytes(), path.suffix))["networks"]
        return {name: float(latency["seconds"]) for name, latency in networks.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


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
    path = run / _FILE
    content = json.dumps({"schema_version": 1, "networks": measured}, indent=1)
    atomic.replace(path, add_checksum(content.encode(), path.suffix))
