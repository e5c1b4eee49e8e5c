"""What is fast and what is not, measured side by side: `nox -s bench`.

Machines are noisy, so ratios count, of what ran in turn. Nothing here is asserted.
"""

import argparse
import inspect
import platform
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import bench_scale
import bench_search
import bench_training
import gpu
import torch

from scalectl.executors.hardware import count_cores
from scalectl.training.devices import describe_environment

TARGET = Path(__file__).parents[1] / ".github" / "BENCHMARKS.md"
SECTIONS: dict[str, tuple[str, Callable[[], Iterable[tuple[str, str]]]]] = {
    "training": ("Training", bench_training.measure),
    "search": ("A whole search", bench_search.measure),
    "scale": ("Commands and stores", bench_scale.measure),
    "gpu": ("A GPU", gpu.measure),
}


def main() -> None:
    """Measure, show, and with --write keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION")
    parser.add_argument("--write", action="store_true", help=f"into {TARGET.name}")
    options = parser.parse_args()
    text = ""
    for name in options.sections or list_possible():
        title, measure = SECTIONS[name]
        text += f"\n## {title}\n\n{inspect.getdoc(measure)}\n\n| what | figure |\n| --- | ---: |\n"
        for what, figure in measure():
            text += f"| {what} | {figure} |\n"
            sys.stderr.write(f"{what}: {figure}\n")
    text = _introduce() + text
    if options.write:
        TARGET.write_text(text)
    sys.stdout.write(text)


def list_possible() -> list[str]:
    """Sections that this machine can measure."""
    return [name for name in SECTIONS if name != "gpu" or torch.cuda.is_available()]


def _introduce() -> str:
    gpus = torch.cuda.get_device_name(0) + ", " if torch.cuda.is_available() else ""
    environment = describe_environment(torch.device("cpu"))
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "timm", "numpy", "pyarrow")
    )
    return f"""# Benchmarks

`nox -s bench -- --write` wrote this on {datetime.now(UTC):%Y-%m-%d}: {count_cores()} cores of {environment["hardware"]}
({environment["capability"]}), {gpus}{environment["system"]}, Python {platform.python_version()}, scalectl {version("scalectl")},
{versions}. Machines are noisy: the ratios count, of what ran in turn.
"""


if __name__ == "__main__":
    main()
