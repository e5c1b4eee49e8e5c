"""What this machine has to train with."""

import os
import sys

from scalectl.errors import ScalectlError


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_memory() -> int:
    """Return the memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def count_gpus() -> int:
    """Count the NVIDIA GPUs that this process and its torch can use; 0 where there is no driver."""
    # Slow to load for commands that count none.
    import ctypes
    from importlib.metadata import version

    if version("torch").endswith("+cpu"):
        return 0
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def require_device(name: str) -> None:
    """Raise `ScalectlError` where this machine lacks the device, before anything starts."""
    if name == "mps" and sys.platform != "darwin":
        raise ScalectlError(
            "--device mps is a GPU of Apple's, and this is no Mac.", "Leave --device out."
        )
    if not name.startswith("cuda"):
        return
    number, count = int(name.partition(":")[2] or 0), count_gpus()
    if count == 0:
        raise ScalectlError(
            "There is no GPU of NVIDIA's here that torch can use.",
            "Leave --device out, or install torch with CUDA.",
        )
    if number >= count:
        raise ScalectlError(
            f"There is no {name}: the last of this machine's GPUs is cuda:{count - 1}.",
            "Numbers begin at 0.",
        )
