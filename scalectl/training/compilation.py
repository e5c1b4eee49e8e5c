"""Compile networks by torch.compile, so that they compute the same bits in every process."""

import os
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn


def can_compile() -> bool:
    """Whether torch.compile works here for GPUs, and can choose kernels without timing them.

    That needs torch 2.10, Triton, a C compiler and the headers of Python.
    """
    from torch._inductor import config
    from torch.utils._triton import has_triton_package

    compiler = os.environ.get("CC") or "cc"
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    return (
        hasattr(config, "deterministic")
        and has_triton_package()
        and shutil.which(compiler) is not None
        and headers.exists()
    )


def compile_network(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the network as torch.compile makes it, when it is first called within `compiling`.

    Kernels are chosen by rule: the fastest of some that are timed could be another one, and add up in
    another order, each time.
    """
    compiled: Callable[[Tensor], Tensor] = torch.compile(
        network, dynamic=False, options={"deterministic": True}
    )
    return compiled


@contextmanager
def compiling() -> Iterator[None]:
    """Keep the code that torch.compile writes in a folder of this process, and remove it after use.

    Its own would be read by later processes too, which are to run no code from a file that was there.
    """
    with tempfile.TemporaryDirectory(prefix="scalectl-kernels-") as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        os.environ["TRITON_CACHE_DIR"] = str(Path(folder, "triton"))
        yield
