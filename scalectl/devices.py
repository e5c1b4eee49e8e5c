"""Where torch computes, what decides the last bits of its results, and the memory they took."""

import os
import platform
import re
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import torch


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def repeat_bits(device: torch.device) -> None:
    """Have this process compute the same bits whenever it computes the same."""
    torch.set_num_threads(1)  # more would add up in another order
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def peak_memory(device: torch.device) -> int:
    """Bytes so far: of the whole process on a CPU, torch included; of the allocator on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Kibibytes, but bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def describe_environment(device: torch.device) -> dict[str, str]:
    """The numeric fingerprint of a record: equal where equal bits are to be expected.

    Never names of hosts or users.
    """
    versions = {name: version(name) for name in ("scalectl", "torch", "timm", "numpy", "pillow")}
    return {
        "python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.type,
        **(_describe_gpu(device) if device.type == "cuda" else _describe_processor()),
    }


def _describe_gpu(device: torch.device) -> dict[str, str]:
    return {
        "hardware": torch.cuda.get_device_name(device),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
        "libraries": f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        "precision": "bfloat16",
    }


def _describe_processor() -> dict[str, str]:
    listing = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.+)", listing.read_text() if listing.exists() else "")
    return {
        "hardware": named[1] if named else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "precision": "float32",
    }
