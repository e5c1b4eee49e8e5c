"""Describe networks of Keras: norms, activations, padding, dropout, and how weights are drawn."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import keras

from scalectl.exports.checks.conventions import (
    AT_THE_END,
    BEFORE_THE_CLASSIFIER,
    BETWEEN_PATCHES,
    ON_BOTH_SIDES,
    OWN,
    WHOLE_BRANCHES,
    Comparison,
    Description,
    compare,
)


def compare_with_own(model: keras.Model, family: str) -> Comparison:
    return compare("keras", family, describe(model), describe_own(family))


@cache
def describe_own(family: str) -> Description | None:
    """Describe the network of a family that keras.applications has; None where it has none."""
    if family not in OWN["keras"]:
        return None
    make = getattr(keras.applications, OWN["keras"][family])
    return describe(make(weights=None, classifier_activation=None))


def describe(model: keras.Model) -> Description:
    """Describe a model; the momentum of norms is the part that stays, as Keras has it."""
    layers = list(_list_layers(model))
    batch_norms = [layer for layer in layers if _is(layer, "BatchNormalization")]
    layer_norms = [layer for layer in layers if _is(layer, "LayerNormalization")]
    described = {
        "batch norms": {
            f"momentum {each.momentum:g}, eps {each.epsilon:g}" for each in batch_norms
        },
        "layer norms": {f"eps {each.epsilon:g}" for each in layer_norms},
        "activations": set(_name_activations(layers)),
        **_describe_padding(layers),
        "dropout": {place for place, _ in list_dropouts(model)},
        **_describe_weights(layers),
    }
    return {name: frozenset(each) for name, each in described.items() if each}


def _list_layers(model: Any) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _list_layers(layer)


def _is(layer: Any, *names: str) -> bool:
    return type(layer).__name__ in names


def _name_activations(layers: list[Any]) -> Iterator[str]:
    for layer in layers:
        if _is(layer, "ReLU"):
            yield "relu" if layer.max_value is None else f"relu{layer.max_value:g}"
        elif hasattr(layer, "activation") and layer.activation.__name__ != "linear":
            yield layer.activation.__name__


def _describe_padding(layers: list[Any]) -> dict[str, set[str]]:
    """Describe by kind of layer what is laid around its inputs, by itself or a layer before it."""
    found, before = defaultdict[str, set[str]](set), ""
    for layer in layers:
        if _is(layer, "ZeroPadding2D"):
            (top, bottom), _ = layer.padding
            before = ON_BOTH_SIDES if top == bottom else AT_THE_END
        elif _is(layer, "Conv2D", "DepthwiseConv2D", "MaxPooling2D"):
            size, stride = _list_sides(layer)
            if size > 1:
                strided = "strided " if stride > 1 else ""
                name = f"padding of {strided}{_name_layer(layer)}"
                found[name].add(_name_padding(layer, before))
                before = ""
    return found


def _list_sides(layer: Any) -> tuple[int, int]:
    size = layer.pool_size if _is(layer, "MaxPooling2D") else layer.kernel_size
    return size[0], layer.strides[0]


def _name_padding(layer: Any, before: str) -> str:
    size, stride = _list_sides(layer)
    if layer.padding == "same":
        return AT_THE_END if stride > 1 else ON_BOTH_SIDES
    return before or (BETWEEN_PATCHES if stride == size else "none")


def _name_layer(layer: Any) -> str:
    names = {"Dense": "linear layers", "MaxPooling2D": "poolings"}
    depthwise = _is(layer, "DepthwiseConv2D") or getattr(layer, "groups", 1) > 1
    convolution = "grouped convolutions" if depthwise else "convolutions"
    return names.get(type(layer).__name__, convolution)


def list_dropouts(model: keras.Model) -> Iterator[tuple[str, float]]:
    """Yield where a model drops something in training, and how often."""
    for layer in _list_layers(model):
        if _is(layer, "StochasticDepth"):
            yield WHOLE_BRANCHES, layer.drop_path_rate
        elif _is(layer, "Dropout") and layer.rate:
            yield WHOLE_BRANCHES if layer.noise_shape else BEFORE_THE_CLASSIFIER, layer.rate


def _describe_weights(layers: list[Any]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for layer in layers:
        if not _is(layer, "Conv2D", "DepthwiseConv2D", "Dense"):
            continue
        depthwise = _is(layer, "DepthwiseConv2D")
        start = layer.depthwise_initializer if depthwise else layer.kernel_initializer
        found[f"initialisation of {_name_layer(layer)}"].add(_name_start(start))
        if layer.use_bias:
            name = f"initialisation of biases of {_name_layer(layer)}"
            found[name].add(_name_start(layer.bias_initializer))
    return {name: {" and ".join(sorted(each))} for name, each in found.items()}


def _name_start(start: Any) -> str:
    """Name an initializer with its numbers, but for seeds."""
    settings = {k: v for k, v in start.get_config().items() if k != "seed" and v is not None}
    name = type(start).__name__
    if name == "Zeros" or settings == {"value": 0.0}:
        return "0"
    numbers = [
        f"{value:.3g}" if isinstance(value, float) else str(value) for value in settings.values()
    ]
    return f"{name}({', '.join(numbers)})" if numbers else name
