"""Describe networks of torch: norms, activations, padding, dropout, and how weights are drawn."""

import math
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from scalectl.exports.checks.conventions import (
    AT_THE_END,
    BEFORE_THE_CLASSIFIER,
    BETWEEN_PATCHES,
    ON_BOTH_SIDES,
    OWN,
    WHOLE_BRANCHES,
    WITHIN_BRANCHES,
    Comparison,
    Description,
    compare,
)

_READABLE = {
    "normal_": ("normal", 1.0),
    "uniform_": ("uniform", 1.0),
    "fill_": ("constant", 0.0),
    "zero_": ("constant", 0.0),
}
"""What fills a tensor -> its distribution, and the spread or constant that is not written out."""
_DRAWING = (*_READABLE, "erfinv_", "mul_")


class Draws(TorchDispatchMode):
    """Remember how the weights of networks that are built meanwhile are drawn, on the meta device too."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._calls = defaultdict[int, list[tuple[str, tuple[Any, ...]]]](list)
        self._storages: list[torch.UntypedStorage] = []  # kept, so that none has another's id

    def __torch_dispatch__(
        self, function: Any, _types: Any, arguments: Any = (), settings: Any = None
    ) -> Any:
        """Carry a call out, and remember it where it fills a tensor."""
        name = function.overloadpacket.__name__
        if name in _DRAWING:
            storage = arguments[0].untyped_storage()
            self._storages.append(storage)
            self._calls[id(storage)].append((name, arguments[1:]))
        return function(*arguments, **(settings or {}))

    def read(self, tensor: Tensor) -> tuple[str, float]:
        """Return the distribution that a tensor was last drawn from, and its spread or its constant."""
        calls = self._calls.get(id(tensor.untyped_storage()), [])
        last = [name for name, _ in calls[-2:]]
        if last == ["erfinv_", "mul_"]:
            return "truncated normal", calls[-1][1][0] / math.sqrt(2)
        if not calls or last[-1] not in _READABLE:
            return "unknown", 0.0
        numbers = calls[-1][1]
        spread = numbers[-1] if numbers else _READABLE[last[-1]][1]
        return _READABLE[last[-1]][0], float(spread)


def compare_with_own(network: nn.Module, draws: Draws, library: str, family: str) -> Comparison:
    """Compare a network that was built while `draws` was watching with the library's own."""
    return compare(library, family, describe(network, draws), describe_own(library, family))


@cache
def describe_own(library: str, family: str) -> Description | None:
    """Describe a network of a family that a library ships; None where it ships none."""
    if family not in OWN[library]:
        return None
    # torchvision reckons the widths of its RegNets with tensors.
    device = "cpu" if (library, family) == ("torchvision", "RegNet") else "meta"
    with Draws() as draws, torch.device(device):
        network = _make_own(library, OWN[library][family])
    return describe(network, draws)


def _make_own(library: str, name: str) -> nn.Module:
    # Not by timm.create_model: an emitted network may be registered under that name.
    module = import_module(library if library == "transformers" else f"{library}.models")
    make: Any = getattr(module, name)
    if library == "timm":
        network: nn.Module = make(drop_rate=0.1, drop_path_rate=0.1)
    elif library == "torchvision":
        network = make()
    else:
        network = make(make.config_class(drop_path_rate=0.1))
        draw_weights(network)
    return network


def draw_weights(network: Any) -> None:
    """Draw the weights of a network of transformers, whose newer versions do not on the meta device."""
    if hasattr(network, "initialize_weights"):
        network.initialize_weights()


def describe(network: nn.Module, draws: Draws) -> Description:
    """Describe a network that was built while `draws` was watching."""
    modules = list(network.modules())
    batch_norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    layer_norms = [module for module in modules if isinstance(module, nn.LayerNorm)]
    described = {
        "batch norms": {
            f"momentum {norm.momentum or 0:g}, eps {norm.eps:g}" for norm in batch_norms
        },
        "layer norms": {f"eps {norm.eps:g}" for norm in layer_norms},
        "activations": set(_name_activations(modules)),
        **_describe_padding(modules),
        "dropout": {place for place, _ in list_dropouts(network)},
        **_describe_weights(modules, draws),
    }
    return {name: frozenset(each) for name, each in described.items() if each}


def _name_activations(modules: list[nn.Module]) -> Iterator[str]:
    """Yield names that torch, timm and transformers share, of which each has classes of its own."""
    for module in modules:
        if type(module).__module__.split(".")[-1].startswith("activation"):
            yield type(module).__name__.lower().removesuffix("activation")


def _describe_padding(modules: list[nn.Module]) -> dict[str, set[str]]:
    """Describe by kind of layer what is laid around its inputs, by itself or a layer before it."""
    found, before = defaultdict[str, set[str]](set), ""
    for module in modules:
        if isinstance(module, nn.ZeroPad2d):
            left, right, *_ = module.padding
            before = ON_BOTH_SIDES if left == right else AT_THE_END
        elif isinstance(module, nn.Conv2d | nn.MaxPool2d):
            kernel, stride, _ = _list_sides(module)
            if kernel > 1:
                strided = "strided " if stride > 1 else ""
                found[f"padding of {strided}{_name_layer(module)}"].add(
                    _name_padding(module, before)
                )
            before = ""
    return found


def _list_sides(module: nn.Conv2d | nn.MaxPool2d) -> tuple[int, int, int | str]:
    """Return kernel, stride and padding along the first side."""
    kernel, stride = (
        side[0] if isinstance(side, tuple) else side for side in (module.kernel_size, module.stride)
    )
    padding = module.padding
    return kernel, stride, padding[0] if isinstance(padding, tuple) else padding


def _name_padding(module: nn.Conv2d | nn.MaxPool2d, before: str) -> str:
    kernel, stride, padding = _list_sides(module)
    if type(module).__name__.endswith("Same"):
        return AT_THE_END
    if padding in (kernel // 2, "same"):
        return ON_BOTH_SIDES
    if padding not in (0, "valid"):
        return f"{padding} at a kernel of {kernel}"
    return before or (BETWEEN_PATCHES if stride == kernel else "none in the layer itself")


def list_dropouts(network: nn.Module) -> Iterator[tuple[str, float]]:
    """Yield where a network drops something in training, and how often."""
    modules = list(network.modules())
    convolutions = [n for n, module in enumerate(modules) if isinstance(module, nn.Conv2d)]
    for number, module in enumerate(modules):
        rate = float(getattr(module, "p", getattr(module, "drop_prob", 0)) or 0)
        if not rate:
            continue
        if not isinstance(module, nn.Dropout):
            yield WHOLE_BRANCHES, rate
        else:
            yield BEFORE_THE_CLASSIFIER if number > convolutions[-1] else WITHIN_BRANCHES, rate
    # timm's mobile classes drop in their forward pass.
    rate = float(getattr(network, "drop_rate", 0) or 0)
    if rate:
        yield BEFORE_THE_CLASSIFIER, rate


def _describe_weights(modules: list[nn.Module], draws: Draws) -> dict[str, set[str]]:
    weights, constants = defaultdict[str, list[_Drawn]](list), defaultdict[str, set[str]](set)
    for module in modules:
        if not isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.LayerNorm):
            continue
        name = _name_layer(module)
        if isinstance(module, nn.Conv2d | nn.Linear):
            weights[name].append((*draws.read(module.weight), _list_fans(module)))
        else:
            constants[name].add(_name_constant(*draws.read(module.weight)))
        if module.bias is not None:
            constants[f"biases of {name}"].add(_name_constant(*draws.read(module.bias)))
    read = {name: _read_rules(each) for name, each in weights.items()}
    read |= {name: {" and ".join(sorted(each))} for name, each in constants.items()}
    return {f"initialisation of {name}": each for name, each in read.items()}


_Drawn = tuple[str, float, dict[str, float]]
"""A distribution, its spread, and what may divide that."""


def _name_constant(kind: str, number: float) -> str:
    return f"{number:.3g}" if kind == "constant" else kind


def _name_layer(layer: nn.Module) -> str:
    if isinstance(layer, nn.Conv2d):
        return "grouped convolutions" if layer.groups > 1 else "convolutions"
    names = {nn.Linear: "linear layers", nn.MaxPool2d: "poolings", nn.LayerNorm: "layer norms"}
    return next((name for kind, name in names.items() if isinstance(layer, kind)), "batch norms")


def _list_fans(layer: nn.Conv2d | nn.Linear) -> dict[str, float]:
    """List what may divide a spread: 1, or the root of the weights into or out of a value."""
    out, within, *kernel = layer.weight.shape
    area, groups = math.prod(kernel), layer.groups if isinstance(layer, nn.Conv2d) else 1
    fans = {
        " / sqrt(fan-in)": within,
        " / sqrt(fan-out)": out,
        " / sqrt(fan-out of a group)": out // groups,
    }
    return {"": 1.0, **{name: math.sqrt(fan * area) for name, fan in fans.items()}}


def _read_rules(drawn: list[_Drawn]) -> set[str]:
    """List the rules by which all of these weights may have been drawn: a spread, or one by a fan."""
    kinds = {kind for kind, _, _ in drawn}
    if len(kinds) > 1:
        return {" and ".join(sorted(kinds))}
    rules = {
        name: {f"{spread * fans[name]:.3g}" for _, spread, fans in drawn} for name in drawn[0][2]
    }
    held = [f"{spreads.pop()}{name}" for name, spreads in rules.items() if len(spreads) == 1]
    return {f"{next(iter(kinds))}, {rule}" for rule in held or ["other in each layer"]}
