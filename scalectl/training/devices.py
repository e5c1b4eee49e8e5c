"""Choose a device, make its results repeatable, and describe what decides their last bits."""

import os
import platform
import re
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

THREADS = torch.get_num_threads()
"""Threads that torch takes in this process unless it is told otherwise, as trainings do."""


def choose_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def repeat_bits(device: torch.device) -> None:
    """Make this process compute the same bits whenever it computes the same."""
    torch.set_num_threads(1)  # more would add up in another order
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Nothing reads memory that it did not write, and filling it takes a third of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def warm_up(name: str) -> None:
    """Load the libraries that a training needs, which takes a GPU's process several seconds."""
    device = choose_device(name)
    repeat_bits(device)
    layers = (
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.Conv2d(8, 8, 5, groups=8, bias=False),
        nn.Conv2d(8, 16, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    network = nn.Sequential(*layers).to(device)
    with torch.autocast(device.type, torch.bfloat16, device.type == "cuda"):
        network(torch.zeros(16, 3, 16, 16, device=device)).float().sum().backward()


def peak_memory(device: torch.device) -> int:
    """Return the peak so far, in bytes, of the process (torch included), or of a GPU's allocator."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    counted = re.search(r"VmHWM:\s*(\d+) kB", status.read_text() if status.exists() else "")
    if counted:  # what all systems count begins with the peak of whoever started the process
        return int(counted[1]) * 1024
    # Kibibytes, but bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def describe_environment(device: torch.device) -> dict[str, str]:
    """Describe versions, device and threads: equal where equal bits are to be expected.

    It is the numeric fingerprint of a record, and names no host and no user.
    """
    versions = {name: version(name) for name in ("scalectl", "torch", "numpy", "pillow")}
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
