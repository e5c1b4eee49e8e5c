"""How long the networks of a run take for one image, measured once and kept beside its records."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from scalectl import files
from scalectl.seals import seal, unseal
from scalectl.trial import Candidate

_FILE = "latencies.json"


def read(run: Path) -> Mapping[str, float]:
    """Fingerprint -> seconds; empty where nothing was measured, or the file is damaged."""
    path = run / _FILE
    try:
        networks = json.loads(unseal(path.read_bytes(), path.suffix))["networks"]
        return {name: float(one["seconds"]) for name, one in networks.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def measure(run: Path, candidates: Iterable[Candidate], device: str) -> None:
    """Of all of them, one after the other, unless each has been measured already.

    Together, so that they are compared on one machine under one load.
    """
    from scalectl.latency import measure_latency

    networks = {one.fingerprint: one.architecture for one in candidates}
    if networks.keys() <= read(run).keys():
        return
    found = {name: asdict(measure_latency(one, device)) for name, one in networks.items()}
    path = run / _FILE
    content = json.dumps({"schema_version": 1, "networks": found}, indent=1)
    files.replace(path, seal(content.encode(), path.suffix))
