"""Build networks with Keras layers, on any backend."""

from typing import Any

import keras
from keras import layers

ACTIVATIONS = {
    "relu": "relu",
    "relu6": "relu6",
    "silu": "silu",
    "hard_swish": "hard_silu",
    "gelu": "gelu",
}
# Of keras.applications' own networks, where they are not Keras' defaults.
NORMS = {
    "EfficientNet": {"momentum": 0.99, "epsilon": 1e-3},
    "EfficientNetV2": {"momentum": 0.9, "epsilon": 1e-3},
    "MobileNetV1": {"momentum": 0.99, "epsilon": 1e-3},
    "MobileNet": {"momentum": 0.999, "epsilon": 1e-3},
    "ResNet": {"momentum": 0.99, "epsilon": 1.001e-5},
}
STARTS = {
    "Conv2D": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
    "DepthwiseConv2D": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
    "Dense": {"scale": 1 / 3, "mode": "fan_out", "distribution": "uniform"},
}


def build_network(
    network: dict[str, Any],
    include_top: bool,
    input_shape: tuple[int | None, int | None, int] | None,
    pooling: str | None,
    classes: int,
) -> keras.Model:
    """Build a functional model: (N, H, W, C) images, normalised already -> (N, classes) logits.

    Without a top, it ends with the last convolution's map, pooled if `pooling` is "avg" or "max".
    """
    size = network["resolution"]
    images = keras.Input(input_shape or (size, size, network["channels"]))
    x = build_stem(images, network)
    blocks = [block for stage in network["stages"] for block in stage]
    for number, block in enumerate(blocks):
        drop_path = network["drop_path"] * number / len(blocks)
        x = BUILDERS[block["kind"]](x, block, network["squeeze"], drop_path)
    if network["head_width"] and network["head"] == "conv":
        x = convolve(x, network["head_width"], 1, activation=network["activation"])
    if not include_top:
        pools = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}
        x = pools[pooling]()(x) if pooling else x
        return follow_family(keras.Model(images, normalise_end(x, network, blocks[-1])), network)
    x = build_head(x, network, blocks[-1])
    if network["dropout"]:
        x = layers.Dropout(network["dropout"])(x)
    return follow_family(keras.Model(images, layers.Dense(classes)(x) if classes else x), network)


def follow_family(model: keras.Model, network: dict[str, Any]) -> keras.Model:
    """Give norms the settings, and weights the start, of the nearest family of keras.applications."""
    family = name_family(network)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            for name, value in NORMS[family].items():
                setattr(layer, name, value)
        elif family.startswith("EfficientNet") and type(layer).__name__ in STARTS:
            start = keras.initializers.VarianceScaling(**STARTS[type(layer).__name__])
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            setattr(layer, "depthwise_initializer" if depthwise else "kernel_initializer", start)
            layer.kernel.assign(start(layer.kernel.shape))
    return model


def name_family(network: dict[str, Any]) -> str:
    kinds = {stage[0]["kind"] for stage in network["stages"]}
    if "convnext" in kinds:
        return "ConvNeXt"
    if kinds & {"basic", "bottleneck"}:
        return "ResNet"
    if network["head"] == "pooled_conv" or network["activation"] == "relu6":
        return "MobileNetV1" if "separable" in kinds else "MobileNet"
    return "EfficientNetV2" if "fused" in kinds else "EfficientNet"


def build_stem(x: Any, network: dict[str, Any]) -> Any:
    width, activation = network["stem_width"], network["activation"]
    if network["stem"] == "patch4x4":
        return normalise_layer(layers.Conv2D(width, 4, strides=4)(x))
    if network["stem"] == "conv3x3":
        return convolve(x, width, 3, 2, activation=activation)
    x = convolve(x, width, 7, 2, activation=activation)
    # After an activation nothing is below 0, so zeros around it change no maximum.
    return layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))


def build_head(x: Any, network: dict[str, Any], last: dict[str, Any]) -> Any:
    width, activation = network["head_width"], network["activation"]
    x = layers.GlobalAveragePooling2D()(x)
    if width and network["head"] == "pooled_conv":
        return layers.Dense(width, activation=ACTIVATIONS[activation])(x)
    return normalise_end(x, network, last)


def normalise_end(x: Any, network: dict[str, Any], last: dict[str, Any]) -> Any:
    return normalise_layer(x) if not network["head_width"] and last["kind"] == "convnext" else x


def build_mbconv(x: Any, block: dict[str, Any], squeeze: str, drop_path: float) -> Any:
    y, act = x, block["activation"]
    if block["expands"]:
        y = convolve(y, block["hidden"], 1, activation=act)
    y = convolve_depthwise(y, block["kernel"], block["stride"], act)
    y = squeeze_excite(y, block, squeeze)
    y = convolve(y, block["out"], 1)
    return add(x, y, drop_path) if block["skip"] else y


def build_fused(x: Any, block: dict[str, Any], squeeze: str, drop_path: float) -> Any:
    act = block["activation"]
    if block["hidden"] == block["width"]:
        y = convolve(x, block["out"], block["kernel"], block["stride"], activation=act)
    else:
        y = convolve(x, block["hidden"], block["kernel"], block["stride"], activation=act)
        y = squeeze_excite(y, block, squeeze)
        y = convolve(y, block["out"], 1)
    return add(x, y, drop_path) if block["skip"] else y


def build_separable(x: Any, block: dict[str, Any], squeeze: str, _drop_path: float) -> Any:
    act = block["activation"]
    x = convolve_depthwise(x, block["kernel"], block["stride"], act)
    return convolve(squeeze_excite(x, block, squeeze), block["out"], 1, activation=act)


def build_basic(x: Any, block: dict[str, Any], _squeeze: str, drop_path: float) -> Any:
    act = ACTIVATIONS[block["activation"]]
    y = convolve(x, block["out"], block["kernel"], block["stride"], activation=block["activation"])
    y = convolve(y, block["out"], block["kernel"])
    return layers.Activation(act)(add(project(x, block), y, drop_path))


def build_bottleneck(x: Any, block: dict[str, Any], squeeze: str, drop_path: float) -> Any:
    act = block["activation"]
    y = convolve(x, block["hidden"], 1, activation=act)
    y = convolve(y, block["hidden"], block["kernel"], block["stride"], block["groups"], act)
    y = convolve(squeeze_excite(y, block, squeeze), block["out"], 1)
    return layers.Activation(ACTIVATIONS[act])(add(project(x, block), y, drop_path))


def build_convnext(x: Any, block: dict[str, Any], _squeeze: str, drop_path: float) -> Any:
    out, stride = block["out"], block["stride"]
    if stride != 1 or block["width"] != out:
        x = layers.Conv2D(out, stride, strides=stride)(normalise_layer(x))
    y = layers.ZeroPadding2D(block["kernel"] // 2)(x)
    y = layers.DepthwiseConv2D(block["kernel"])(y)
    y = layers.Dense(block["hidden"], activation=ACTIVATIONS[block["activation"]])(
        normalise_layer(y)
    )
    return add(x, LayerScale()(layers.Dense(out)(y)), drop_path)


@keras.saving.register_keras_serializable("scalectl")
class LayerScale(layers.Layer):  # type: ignore[misc]
    """A learned factor per channel, small at the start."""

    def build(self, shape: tuple[int, ...]) -> None:
        start = keras.initializers.Constant(1e-6)
        self.scale = self.add_weight(shape=(shape[-1],), initializer=start)

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale


BUILDERS = {
    "mbconv": build_mbconv,
    "fused": build_fused,
    "separable": build_separable,
    "basic": build_basic,
    "bottleneck": build_bottleneck,
    "convnext": build_convnext,
}


def convolve(
    x: Any, out: int, kernel: int, stride: int = 1, groups: int = 1, activation: str | None = None
) -> Any:
    """Convolve, padded by half a kernel as torch does; "same" would pad other sides at stride 2."""
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2)(x)
    x = layers.Conv2D(out, kernel, strides=stride, groups=groups, use_bias=False)(x)
    return normalise_batch(x, activation)


def convolve_depthwise(x: Any, kernel: int, stride: int, activation: str) -> Any:
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2)(x)
    x = layers.DepthwiseConv2D(kernel, strides=stride, use_bias=False)(x)
    return normalise_batch(x, activation)


def normalise_batch(x: Any, activation: str | None) -> Any:
    x = layers.BatchNormalization()(x)
    return layers.Activation(ACTIVATIONS[activation])(x) if activation else x


def normalise_layer(x: Any) -> Any:
    return layers.LayerNormalization(epsilon=1e-6)(x)


def squeeze_excite(x: Any, block: dict[str, Any], squeeze: str) -> Any:
    if not block["squeezed"]:
        return x
    hard = squeeze == "hidden"
    activation = "relu" if hard else ACTIVATIONS[block["activation"]]
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = "hard_sigmoid" if hard else "sigmoid"
    y = layers.Conv2D(block["squeezed"], 1, activation=activation)(y)
    y = layers.Conv2D(block["hidden"], 1, activation=gate)(y)
    return layers.multiply([x, y])


def project(x: Any, block: dict[str, Any]) -> Any:
    if block["stride"] == 1 and block["width"] == block["out"]:
        return x
    return convolve(x, block["out"], 1, block["stride"])


def add(x: Any, y: Any, drop_path: float) -> Any:
    if drop_path:
        y = layers.Dropout(drop_path, noise_shape=(None, 1, 1, 1))(y)
    return layers.add([x, y])
