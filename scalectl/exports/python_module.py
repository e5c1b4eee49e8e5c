"""Write and run emitted Python modules: claims, the network as data, and the text of a builder."""

import ast
import re
import warnings
from importlib.metadata import version
from pathlib import Path
from pprint import pformat
from runpy import run_path
from types import SimpleNamespace
from typing import Any

from scalectl.arch.architecture import Architecture
from scalectl.arch.sizes import Size
from scalectl.errors import ScalectlError
from scalectl.exports.checks.conventions import OWN, tell_family
from scalectl.exports.checks.verification import Verification, check
from scalectl.exports.config import claim

_TEMPLATE = '''\
"""{name}: emitted by scalectl {version} for {form}.

Source: {source}.{scaling}
{params:,} parameters, {macs:,} multiply-adds at {resolution} px.{note}

    {usage}
"""

{builder}

FORMAT = "{form}"
CLAIMS = {claims}
NETWORK = {network}


{function}
'''


def write_module(
    size: Size,
    form: str,
    usage: str,
    function: str,
    *,
    builder: str = "",
    network: dict[str, Any] | None = None,
) -> str:
    """Write the text of a module: a builder's, and a `function` that calls it with the network.

    Without others they are the format's builder and the unrolled architecture. Raises `ScalectlError`
    for a name that Python cannot use.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", size.name):
        raise ScalectlError(
            f"{size.name!r} cannot be the name of a Python module.",
            "Use lower-case letters, digits and underscores in the baseline's name.",
        )
    if not builder:
        builder = read_builder(Path(__file__).parent / "builders" / f"with_{form}.py")
    if network is None:
        assert isinstance(size.architecture, Architecture)
        network = size.architecture.unroll()
    return _TEMPLATE.format(
        name=size.name,
        version=version("scalectl"),
        source=_harmless(size.source),
        scaling=""
        if size.phi is None
        else f" (alpha, beta, gamma) = {size.coefficients} at phi = {size.phi:g}.",
        params=size.cost.params,
        macs=size.cost.macs,
        resolution=size.architecture.resolution,
        note=" Dropout and drop-path are the\nhabit of EfficientNet's sizes."
        if size.dropout
        else "",
        usage=usage.format(name=size.name),
        builder=builder.strip(),
        form=form,
        claims=_format(claim(size)),
        network=_format(network),
        function=function.format(name=size.name, resolution=size.architecture.resolution).strip(),
    )


def read_builder(path: Path) -> str:
    """Read the text of a builder, without its docstring and the comments for a type checker."""
    _, _, text = path.read_text(encoding="utf-8").partition('"""\n\n')
    return re.sub(r"  # type: ignore.*", "", text)


def read_constant(path: Path, name: str) -> Any:
    """Read a constant of an emitted module, which is not run. Raises `ScalectlError` if it has none."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return ast.literal_eval(node.value)
    except (OSError, ValueError, SyntaxError):
        pass
    raise ScalectlError(f"{path} is no module that scalectl emitted.", f"It has no {name}.")


def import_module(path: Path) -> SimpleNamespace:
    """Run an emitted module, under a name of its own, and return what it defines."""
    with warnings.catch_warnings():
        # Another file of that name may have been verified in this process before.
        warnings.filterwarnings("ignore", "Overwriting", UserWarning)
        return SimpleNamespace(**run_path(str(path), run_name=f"{path.stem}_to_verify"))


def verify_module(path: Path) -> Verification:
    """Run an emitted module, build its network on the meta device, and compare it with its claims.

    Where a user's code asks for numbers of a tensor, which that device lacks, it is built on the CPU.
    """
    module = import_module(path)
    try:
        return _check_built(module, "meta")
    except Exception:
        return _check_built(module, "cpu")


def _check_built(module: SimpleNamespace, device: str) -> Verification:
    import torch

    from scalectl.exports.checks.inspection import Draws, compare_with_own

    with Draws() as draws, torch.device(device):
        network = getattr(module, module.CLAIMS["name"])()
    if module.FORMAT not in OWN:
        return check(network, module.CLAIMS, device=device)
    family = tell_family(module.NETWORK)
    comparison = compare_with_own(network, draws, module.FORMAT, family)
    return check(network, module.CLAIMS, comparison, device)


def _harmless(text: str) -> str:
    """Replace what could end a docstring: quotes, backslashes and line breaks."""
    return re.sub(r"[^\w .,:()=%/+-]", "_", text)


def _format(table: dict[str, Any]) -> str:
    return pformat(table, width=100, sort_dicts=False)
