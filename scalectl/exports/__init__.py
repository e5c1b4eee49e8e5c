"""Exports, a slot: one file per format, and its line in `EXPORTS`."""

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol, runtime_checkable

from scalectl.arch.factory import Baseline
from scalectl.arch.sizes import Size
from scalectl.errors import ScalectlError
from scalectl.exports.checks.verification import Verification
from scalectl.store import atomic


class Export(Protocol):
    """What a format offers."""

    suffix: str
    """What follows the size's name in the names of its files."""
    library: str
    """The module that builds from a file; "" where that is torch alone, or nothing."""

    def find_obstacle(self, network: Baseline) -> str:
        """Say why the library cannot express the network to the unit; "" where it can."""

    def emit(self, size: Size) -> str | bytes:
        """Return the content of the file for a size."""

    def verify(self, path: Path) -> Verification:
        """Build the network from the file, where it will be used, and compare it with its claims."""


@runtime_checkable
class Accompanied(Protocol):
    """A format whose library looks for further files beside the first."""

    def emit_companions(self, size: Size) -> dict[str, str]:
        """Return the contents of those files by name."""


EXPORTS = {
    "timm": "scalectl.exports.timm:Timm",
    "transformers": "scalectl.exports.transformers:Transformers",
    "torchvision": "scalectl.exports.torchvision:Torchvision",
    "keras": "scalectl.exports.keras:Keras",
    "pycls": "scalectl.exports.pycls:Pycls",
    "onnx": "scalectl.exports.onnx:Onnx",
    "torch": "scalectl.exports.torch:Torch",
    "json": "scalectl.exports.config:Json",
    "toml": "scalectl.exports.config:Toml",
}
"""Format -> module:class; imported when it is chosen."""
WITH_WEIGHTS = ("timm", "torch")
"""Formats beside whose files starting weights can be written."""


def make_export(name: str) -> Export:
    factory: Callable[[], Export] = resolve_name(EXPORTS[name])
    return factory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A size in one format: written, refused, verified or not."""

    format: str
    path: str | None
    """None where the format refused."""
    verified: bool | None
    """None where it was not checked."""
    params: int
    note: str


def write(size: Size, name: str, folder: Path, *, verify: bool) -> Written:
    """Write the config of a size, and build the network again from it.

    Raises `ScalectlError` where the folder cannot be written.
    """
    export = make_export(name)
    path = folder / f"{size.name}{export.suffix}"
    obstacle = export.find_obstacle(size.architecture)
    if obstacle:
        return Written(
            format=name,
            path=None,
            verified=None,
            params=size.cost.params,
            note=f"refused: {obstacle}",
        )
    content = export.emit(size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ScalectlError(
            f"{path} cannot be written: {problem.strerror}.", "Choose another folder with -o."
        ) from None
    if isinstance(export, Accompanied):
        for beside, text in export.emit_companions(size).items():
            atomic.replace(path.with_name(beside), text.encode())
    atomic.replace(path, content.encode() if isinstance(content, str) else content)
    verified, params, note = None, size.cost.params, "written, not verified"
    if verify and not is_installed(export.library):
        note = f"written, not verified: {export.library} is not installed"
    elif verify:
        result = _build_again(export, path, size.cost.params)
        verified, note = result.ok, result.note
        params = size.cost.params if result.params is None else result.params
    return Written(format=name, path=str(path), verified=verified, params=params, note=note)


def check_installed(formats: Iterable[str]) -> None:
    """Raise `ScalectlError` for a format that cannot be written with what is installed."""
    for name in formats:
        for library in _NEEDED.get(name, ()):
            if not is_installed(library):
                raise ScalectlError(
                    f"--to {name} needs {library}, which is not installed; nothing was written.",
                    f'Install it: python -m pip install "scalectl[{name}]".',
                )


def list_unverifiable(formats: Iterable[str]) -> dict[str, str]:
    """List the formats whose files can be written but not built again here, with the missing library."""
    libraries = {name: make_export(name).library for name in formats}
    return {name: library for name, library in libraries.items() if not is_installed(library)}


_NEEDED = {"onnx": ("onnx", "onnxscript")}
"""What writing takes; checking what was written takes the format's own library."""


def verify(path: Path) -> tuple[str, Verification]:
    """Recognise the format of an emitted file, build from it, and compare; return both.

    Raises `ScalectlError` for a file that scalectl did not emit.
    """
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ScalectlError(
                f"{path} has no config.json, as a folder for transformers has.",
                f"Give its files: scalectl verify {shlex.quote(str(path))}/*",
            )
        path = path / "config.json"
    name = _tell_format(path)
    export = make_export(name)
    if not is_installed(export.library):
        note = f"{export.library} is not installed"
        return name, Verification(ok=None, expected_params=0, note=note)
    try:
        return name, _build_again(export, path, foreign=(KeyError,))
    except KeyError as problem:
        raise ScalectlError(
            f"{path} is no file that scalectl emitted: {problem}.", "Emit it with scalectl scale."
        ) from None


def _build_again(
    export: Export, path: Path, expected: int = 0, foreign: tuple[type[Exception], ...] = ()
) -> Verification:
    """Build from a file; whatever another library raises meanwhile is a failed verification.

    `foreign` is what a file raises that is not of scalectl's making at all.
    """
    try:
        return export.verify(path)
    except Exception as problem:
        if isinstance(problem, (ScalectlError, *foreign)):
            raise
        return Verification(
            ok=False,
            expected_params=expected,
            forward_ok=False,
            note=f"could not be built: {type(problem).__name__}: {problem}".splitlines()[0],
        )


def _tell_format(path: Path) -> str:
    if not path.is_file():
        raise ScalectlError(f"{path} does not exist.", "Check the path.")
    if path.suffix == ".py":
        from scalectl.exports.python_module import read_constant

        name = read_constant(path, "FORMAT")
        if name in EXPORTS:
            return str(name)
    elif path.name == "config.json":
        return "transformers"
    formats = {".json": "json", ".toml": "toml", ".yaml": "pycls", ".onnx": "onnx"}
    if path.suffix not in formats:
        raise ScalectlError(
            f"{path} is of no format of scalectl.",
            f"Known are {', '.join([*formats, '.py'])} and folders with a config.json.",
        )
    return formats[path.suffix]


def is_installed(library: str) -> bool:
    """Whether a module could be imported, which this does not do."""
    return not library or find_spec(library) is not None
