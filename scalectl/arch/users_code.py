"""Call a user's function `build(depth, width, resolution, num_classes)`, and see what it returns."""

import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from scalectl.errors import ScalectlError, describe

if TYPE_CHECKING:
    from torch import nn


class Call(NamedTuple):
    """A call of a user's function, for a network of one size."""

    target: str
    """The function, as `package.module:build`."""
    depth: float
    """Multiplier of the blocks, as `width` is of the channels."""
    width: float
    resolution: int
    """Pixels of the side of an image."""
    classes: int


def count(call: Call) -> tuple[dict[str, int], str]:
    """Return what the network costs, as the fields of a `Cost`, and a hash of its layers.

    It is built on torch's meta device, without weights; where its code asks for numbers of a tensor,
    such as `.item()`, on the CPU. Raises `ScalectlError` where that fails too.
    """
    try:
        return _count(call, "meta")
    except ScalectlError:
        return _count(call, "cpu")


def _count(call: Call, device: str) -> tuple[dict[str, int], str]:
    import torch

    from scalectl.arch.counter import count_cost

    with torch.device(device):
        network = build(call)
        with _blaming(call, f"fails on a {call.resolution} px image"):
            cost, shape = count_cost(network, call.resolution, device=device)
    if shape != (1, call.classes):
        complain(call, f"gives {shape} instead of (1, {call.classes})")
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    text = f"{network!r} {shapes} {cost.macs}"
    return asdict(cost), hashlib.sha256(text.encode()).hexdigest()[:16]


def rehearse(call: Call) -> None:
    """Take one training step on two images. Raises `ScalectlError`, with the cure, where it fails."""
    import torch
    from torch.nn import functional
    from torch.nn.parameter import UninitializedParameter

    network = build(call).train()
    if any(isinstance(parameter, UninitializedParameter) for parameter in network.parameters()):
        _refuse(
            call,
            "has lazy layers, whose weights do not exist before the first image",
            f"Call the network once in {call.target}, on torch.zeros(1, 3, resolution, resolution), before "
            "it is returned.",
        )
    if not any(parameter.requires_grad for parameter in network.parameters()):
        _refuse(call, "has no weights to train", "Leave requires_grad as it is.")
    with _blaming(call, "fails in a training step"):
        optimizer = torch.optim.AdamW(network.parameters())
        logits = network(torch.randn(2, 3, call.resolution, call.resolution))
    if not isinstance(logits, torch.Tensor):
        _refuse(
            call,
            f"gives a {type(logits).__name__} in training, no tensor of logits",
            "Have it return its logits alone, such as with aux_logits=False.",
        )
    if logits.shape != (2, call.classes):
        complain(call, f"gives {tuple(logits.shape)} in training instead of (2, {call.classes})")
    with _blaming(call, "fails in a training step"):
        functional.cross_entropy(logits, torch.arange(2) % call.classes).backward()
        optimizer.step()


def build(call: Call) -> "nn.Module":
    """Call the function; raise `ScalectlError` for whatever goes wrong."""
    from torch import nn

    target, depth, width, resolution, classes = call
    function = _load(target)
    with _blaming(call):
        network = function(depth=depth, width=width, resolution=resolution, num_classes=classes)
    if not isinstance(network, nn.Module):
        complain(call, f"gives a {type(network).__name__}, no nn.Module")
    return network


def complain(call: Call, problem: str) -> NoReturn:
    """Raise the `ScalectlError` of a call of the function."""
    raise ScalectlError(
        f"{call.target}(depth={call.depth:g}, width={call.width:g}) {problem}.",
        "It must be build(depth, width, resolution, num_classes) -> torch.nn.Module.",
    )


def _refuse(call: Call, problem: str, cure: str) -> NoReturn:
    raise ScalectlError(f"The network of {call.target} {problem}.", cure)


@contextmanager
def _blaming(call: Call, problem: str = "") -> Iterator[None]:
    """Turn whatever the user's code raises into a `ScalectlError`, and keep its prints from stdout."""
    try:
        with _keeping_stdout():
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as raised:  # it may even call exit(), or raise what is no Exception
        what = problem or f"raised {type(raised).__name__}"
        complain(call, f"{what}: {describe(raised)}")


@contextmanager
def _keeping_stdout() -> Iterator[None]:
    """Send what a user's code prints, by whatever means, to stderr: stdout is for documents alone."""
    with redirect_stdout(sys.stderr), ExitStack() as stack:
        with suppress(OSError):  # it is closed already
            kept = os.dup(1)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 1)
            os.dup2(2, 1)
        yield


def _load(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109
        # A console script's path lacks the working directory, where users keep their modules.
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        with _keeping_stdout():
            function = getattr(importlib.import_module(module), name, None)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        raise ScalectlError(
            f"The module of the baseline {target} cannot be imported: {describe(problem)}.",
            "Give package.module:function, importable from here.",
        ) from None
    if not callable(function):
        raise ScalectlError(
            f"{module} has no function {name!r}.",
            "It must be build(depth, width, resolution, num_classes) -> torch.nn.Module.",
        )
    return function  # type: ignore[no-any-return]
