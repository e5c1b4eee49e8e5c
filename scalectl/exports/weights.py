"""Start a scaled network from the weights of a smaller one, and write them as its library names them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import timm
import torch
from safetensors.torch import save
from torch import Tensor

from scalectl.arch.architecture import Architecture
from scalectl.arch.factory import Baseline, cost_of
from scalectl.errors import ScalectlError, describe
from scalectl.exports.builders.with_timm import build_network
from scalectl.exports.timm import Timm
from scalectl.nn.blocks import Network
from scalectl.nn.growth import Growth, grow
from scalectl.store import atomic


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    network: Network


def read_source(path: Path, candidates: Iterable[Baseline]) -> Source:
    """Read a state dict, .pth or .safetensors, of one of the candidates, whatever its classes.

    It has the names of timm's network, of an emitted one for timm, or of one for torch. No pickled
    code is run. Raises `ScalectlError` where it cannot be read, or is of none of them.
    """
    try:
        weights = timm.models.load_state_dict(str(path), device="cpu", weights_only=True)
        tensors = {str(name): torch.as_tensor(value) for name, value in weights.items()}
    except Exception as problem:  # of torch, pickle, safetensors or the disk
        raise ScalectlError(
            f"--weights-from {path} cannot be read as weights: {describe(problem)}.",
            "Give a state dict of tensors alone, as torch.save(model.state_dict(), FILE) writes it.",
        ) from None
    tensors = {name: value for name, value in tensors.items() if _is_weight(name)}
    count = sum(value.numel() for name, value in tensors.items() if "running_" not in name)
    known = [candidate for candidate in candidates if isinstance(candidate, Architecture)]
    for candidate in known:
        classes = _guess_classes(candidate, count)
        if classes is not None:
            source = replace(candidate, classes=classes)
            network = Network(source.unroll())
            if _load(network, source, tensors):
                return Source(candidate.name, network)
    raise ScalectlError(
        f"--weights-from {path} has {count:,} parameters, which are of none of "
        f"{', '.join(network.name for network in known) or 'the networks here, a factory'}.",
        "Name by --baseline the network whose weights they are.",
    )


def start(source: Source, network: Architecture) -> tuple[Network, Growth]:
    """Build a network that begins with what the source computes; the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        large = Network(network.unroll())
    return large, grow(source.network, large)


def write_weights(network: Network, architecture: Architecture, form: str, config: Path) -> Path:
    """Write weights beside an emitted config, by the names of its library; return the file."""
    state = network.state_dict()
    if form == "timm":
        names = next(_list_timms(architecture))
        pairs = _pair(_drop_counters(state), names)
        assert pairs is not None
        counters = {name: torch.tensor(0) for name in names if not _is_weight(name)}
        state = {pairs[name]: value for name, value in state.items() if name in pairs} | counters
    path = config.with_suffix(".safetensors")
    atomic.replace(path, save({name: value.contiguous() for name, value in state.items()}))
    return path


def _guess_classes(architecture: Architecture, params: int) -> int | None:
    """Return how many classes a network of so many parameters has; None where it is another one."""
    bare = replace(architecture, classes=0)
    classes, rest = divmod(params - cost_of(bare).params, bare.features + 1)
    return classes if classes >= 0 and not rest else None


@torch.no_grad()
def _load(network: Network, architecture: Architecture, tensors: Mapping[str, Tensor]) -> bool:
    """Copy tensors into a network, in place; False where names or shapes are others."""
    ours = _drop_counters(network.state_dict())
    for names in (ours, *_list_timms(architecture)):
        theirs = [name for name in names if _is_weight(name)]
        if set(theirs) == set(tensors):
            pairs = _pair(ours, {name: tensors[name] for name in theirs})
            for name, other in (pairs or {}).items():
                ours[name].copy_(tensors[other])
            return pairs is not None
    return False


def _list_timms(architecture: Architecture) -> Iterator[dict[str, Tensor]]:
    """Yield, without memory, the state of the emitted network for timm, and that of timm's own."""
    with torch.device("meta"):
        if not Timm().find_obstacle(architecture):
            yield build_network(architecture.unroll(), architecture.name).state_dict()
        if timm.is_model(architecture.name):
            classes = architecture.classes
            yield timm.create_model(architecture.name, num_classes=classes).state_dict()


def _pair(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Pair the names of equal tensors: both list them in the order of computation.

    Only layer scales ("gamma") stand elsewhere in timm's ConvNeXt. None where shapes are others.
    """
    rest = [name for name in theirs if _is_weight(name)]
    pairs = {}
    for name, mine in ours.items():
        is_scale = name.endswith(".scale")
        same = (
            other
            for other in rest
            if theirs[other].shape == mine.shape
            and (other.endswith((".gamma", ".scale")) == is_scale)
        )
        pairs[name] = next(same, "")
        if not pairs[name]:
            return None
        rest.remove(pairs[name])
    return None if rest else pairs


def _drop_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if _is_weight(name)}


def _is_weight(name: str) -> bool:
    """Whether it is more than a count of batches, which some files leave out."""
    return not name.endswith("num_batches_tracked")
