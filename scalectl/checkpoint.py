"""Where a trial stands after an epoch, as bytes: tensors and numbers, nothing that could run.

A state is what torch's `state_dict` functions give: dictionaries and lists of tensors, numbers and
text. Tensors are stored as safetensors, the rest as JSON among them, and the whole is sealed.
"""

import json
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from scalectl.seals import seal, unseal


def encode(state: dict[str, Any]) -> bytes:
    """A sealed file of a state."""
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_pack(state, tensors), allow_nan=False)
    tensors[_TREE] = torch.frombuffer(bytearray(tree.encode()), dtype=torch.uint8)
    return seal(save(tensors), "")


def decode(content: bytes) -> dict[str, Any]:
    """The inverse of `encode`, on the CPU. Raises `ValueError` where it is not what was written."""
    try:
        tensors = load(unseal(content, ""))
        tree = json.loads(tensors.pop(_TREE).numpy().tobytes())
        state: dict[str, Any] = _unpack(tree, tensors)
    except (SafetensorError, KeyError, TypeError) as problem:
        raise ValueError(f"it is no checkpoint: {problem}") from None
    return state


_TREE = "tree"


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value as JSON; its tensors go to `tensors`, and leave a name and their memory's order."""
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
