"""Encode the state of a training as bytes, and decode it: tensors and numbers, nothing that could run.

A state is what torch's `state_dict` functions give: dictionaries and lists of tensors, numbers and
text. Tensors are stored as safetensors, the rest as JSON among them, and the whole has a checksum.
"""

import json
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from scalectl.store.checksum import add_checksum, verify_checksum


def encode(state: dict[str, Any]) -> bytes:
    """Encode a state as the content of a file with a checksum."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_pack(state, tensors), allow_nan=False)
    tensors[_TREE] = torch.frombuffer(bytearray(tree.encode()), dtype=torch.uint8)
    return add_checksum(save(tensors), "")


def decode(content: bytes) -> dict[str, Any]:
    """Decode a state, on the CPU. Raises `ValueError` where it is not what `encode` gave."""
    try:
        tensors = load(verify_checksum(content, ""))
        tree = json.loads(tensors.pop(_TREE).numpy().tobytes())
        state: dict[str, Any] = _unpack(tree, tensors)
    except (SafetensorError, KeyError, TypeError) as problem:
        raise ValueError(f"it is no checkpoint: {problem}") from None
    return state


_TREE = "tree"


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Make a value JSON; its tensors move to `tensors`, and leave a name and their memory's order."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # A copy, since tied weights share their memory, which the format refuses.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name, "stride": value.stride()}
    if isinstance(value, dict):
        # Pairs, since keys of an optimizer's state are numbers.
        return {"pairs": [[key, _pack(part, tensors)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(part, tensors) for part in value]
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    if "pairs" in value:
        return {key: _unpack(part, tensors) for key, part in value["pairs"]}
    flat = tensors[value["tensor"]]
    # In the order it had: sums over another order differ in their last bits.
    return torch.empty_strided(flat.shape, value["stride"], dtype=flat.dtype).copy_(flat)
