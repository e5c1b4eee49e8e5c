"""Read timm's block strings: lists of stages such as ["ds_r1_k3_s1_e1_c16_se0.25"].

Their letters are those of timm's `decode_arch_def`: the kind of the block, then r repeats, k kernel,
s stride, e expansion, c channels out, se ratio, fc channels that are expanded, n activation, noskip.
"""

import re
import tomllib
from dataclasses import asdict
from typing import Any

from scalectl import parsing
from scalectl.arch.architecture import Activation, Architecture, BlockKind, Stage
from scalectl.arch.rounding import Rounding, make_divisible
from scalectl.errors import ScalectlError

_KINDS: dict[str, BlockKind] = {
    "ir": "mbconv",
    "ds": "mbconv",
    "dsa": "separable",
    "er": "fused",
    "cn": "fused",
}
_TAKEN = {
    "ir": {"r", "k", "s", "e", "c", "se"},
    "ds": {"r", "k", "s", "e", "c", "se"},
    "dsa": {"r", "k", "s", "e", "c"},
    "er": {"r", "k", "s", "e", "c", "se", "fc"},
    "cn": {"r", "k", "s", "e", "c"},
}
_NEEDED = ("r", "k", "s", "c")
_ACTIVATIONS: dict[str, Activation] = {
    "re": "relu",
    "r6": "relu6",
    "hs": "hard_swish",
    "sw": "silu",
}
_START = re.compile(r"\[|(ir|dsa?|er|cn|uir|mha|mqa)_r\d")


def is_block_strings(text: str) -> bool:
    """Whether a text is meant as block strings: a list, or a single one."""
    return bool(_START.match(text))


def parse_network(text: str) -> Architecture:
    """Make a network of a list of lists of block strings, with EfficientNet's stem, head and SiLU.

    Images have 224 px. Raises `ScalectlError` for what timm would not take, or nobody can scale.
    """
    try:  # Python's lists of strings are TOML's
        stages = tomllib.loads(f"stages = {text if text.startswith('[') else [text]}")["stages"]
    except (ValueError, RecursionError):
        raise ScalectlError(
            "The baseline begins like a list of block strings, and is none.",
            'Such as \'[["ds_r1_k3_s1_e1_c16_se0.25"], ["ir_r2_k3_s2_e6_c24"]]\'.',
        ) from None
    network = Architecture(
        name="block_strings",
        resolution=224,
        stem_width=32,
        stages=tuple(Stage(**stage) for stage in parse_stages(stages, "--baseline")),
        head_width=1280,
        dropout=0.2,
        drop_path=0.2,
        rounding=Rounding(rule="official"),
    )
    check_blocks(network, "--baseline")
    return parsing.validate(Architecture, network.to_dict(), "--baseline")


def parse_stages(stages: Any, where: str) -> list[dict[str, Any]]:
    """Return the fields of each stage. Strings in one inner list share its depth when it is scaled.

    Raises `ScalectlError`, in which `where` names the file or flag.
    """
    groups = [[group] if isinstance(group, str) else group for group in _as_list(stages, where)]
    parsed = []
    for group in groups:
        for number, text in enumerate(_as_list(group, where)):
            if not isinstance(text, str):
                raise ScalectlError(f"{where}: {text!r} is no block string.", _EXAMPLE)
            parsed.append(asdict(_parse_stage(text, where)) | {"joined": number > 0})
    return parsed


def check_blocks(network: Architecture, where: str) -> None:
    """Raise `ScalectlError` where timm would round an inner width or a squeeze otherwise."""
    for stage, blocks in zip(network.stages, network.list_blocks(), strict=True):
        for block in blocks:
            expands = stage.expansion != 1 and stage.block in ("mbconv", "fused")
            squeezed = round(block.hidden * stage.se_ratio / stage.expansion)
            if (expands and block.hidden == block.width) or (
                network.squeeze == "input" and block.squeezed != squeezed
            ):
                raise ScalectlError(
                    f"{where}: expansion {stage.expansion:g} of {block.width} channels becomes "
                    f"{block.hidden} in timm, which scalectl cannot express.",
                    "Use an expansion that gives multiples of 8.",
                )


_EXAMPLE = "Such as ir_r2_k3_s2_e6_c24_se0.25_nre_noskip."


def _as_list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ScalectlError(f"{where}: block strings stand in lists, one for each stage.", _EXAMPLE)
    return value


def _parse_stage(text: str, where: str) -> Stage:
    kind, *parts = text.split("_")
    if kind not in _KINDS:
        raise ScalectlError(
            f"{where}: {text!r}: blocks of the kind {kind!r} cannot be scaled.",
            f"scalectl has {', '.join(_KINDS)}.",
        )
    numbers, flags, activation = dict[str, float](), set[str](), ""
    for part in parts:
        match = re.fullmatch(r"([a-z]+)(\d{1,6}(?:\.\d{1,9})?)", part)
        if part in ("skip", "noskip"):
            flags.add(part)
        elif part.startswith("n"):
            activation = part[1:]
        elif match:
            numbers[match[1]] = float(match[2])
        else:
            raise ScalectlError(f"{where}: {text!r}: what is {part!r}?", _EXAMPLE)
    odd = [key for key in numbers if key not in _TAKEN[kind]]
    odd += [f"n{name}" for name in [activation] if name and name not in _ACTIVATIONS]
    missing = [key for key in _NEEDED if key not in numbers]
    if odd or missing:
        problem = f"scalectl has no {odd[0]!r} there" if odd else f"{missing[0]!r} is missing"
        raise ScalectlError(f"{where}: {text!r}: {problem}.", _EXAMPLE)
    return _make_stage(kind, numbers, flags, activation, f"{where}: {text!r}")


def _make_stage(
    kind: str, numbers: dict[str, float], flags: set[str], activation: str, where: str
) -> Stage:
    expansion = numbers.get("e", 1.0) if kind in ("ir", "er") else 1.0
    whole = {key: int(numbers[key]) for key in _NEEDED}
    if whole["s"] not in (1, 2) or not all(whole.values()) or not expansion:
        raise ScalectlError(f"{where}: strides are 1 or 2, other numbers above 0.", _EXAMPLE)
    if kind == "er" and expansion == 1:
        raise ScalectlError(f"{where}: scalectl's er expands by more than 1.", "Use cn, or e2.")
    return Stage(
        block=_KINDS[kind],
        repeats=whole["r"],
        width=make_divisible(whole["c"], 8),
        stride=1 if whole["s"] == 1 else 2,
        kernel=whole["k"],  # type: ignore[arg-type]  # checked with the whole network
        expansion=expansion,
        expanded_width=make_divisible(numbers["fc"], 8) if numbers.get("fc") else 0,
        se_ratio=numbers.get("se", 0.0),
        activation=_ACTIVATIONS[activation] if activation else "",
        always_expand=kind == "ir" and expansion == 1,
        skip="skip" in flags if kind == "cn" else kind != "dsa" and "noskip" not in flags,
    )
