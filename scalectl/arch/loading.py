"""Find networks: by name, in files, and as users' factories."""

import re
from pathlib import Path

from scalectl import parsing
from scalectl.arch.architecture import Architecture, Stage
from scalectl.arch.baselines import find_architecture
from scalectl.arch.cost import Cost
from scalectl.arch.factory import Baseline, Factory, make_factory
from scalectl.arch.formats.block_strings import (
    check_blocks,
    is_block_strings,
    parse_network,
    parse_stages,
)
from scalectl.arch.formats.pycls_file import read_pycls
from scalectl.arch.rounding import Rounding
from scalectl.errors import ScalectlError

WINNER = "winner.json"
"""The network that a search of architectures chose, in its run's folder."""


def load_network(path: Path) -> Baseline:
    """Read the network of a .toml or .json file, by hand or emitted by scalectl, or of pycls' .yaml.

    An emitted factory is read as it was counted; none of its code runs.
    """
    if path.suffix in _YAML:
        return _check(read_pycls(path), path)
    content = parsing.read_table(path)
    network = content.get("architecture")
    if not isinstance(network, dict):
        raise ScalectlError(
            f"{path} has no [architecture].",
            "The documentation shows one: How to, Your own network.",
        )
    if "target" in network:
        return parsing.validate(Factory, network, str(path))
    blocks = network.pop("blocks", None)
    if blocks is not None:
        network.setdefault("stages", parse_stages(blocks, f"{path}: architecture.blocks"))
    parsing.refuse_unknown_fields(network, Architecture, str(path), "architecture.")
    for number, stage in enumerate(network.get("stages", [])):
        parsing.refuse_unknown_fields(stage, Stage, str(path), f"architecture.stages.{number}.")
    network.setdefault("name", re.sub(r"\W", "_", path.stem.lower()))
    architecture = parsing.validate(Architecture, network, str(path))
    if blocks is not None:
        check_blocks(architecture, str(path))
    return _check(architecture, path)


_YAML = (".yaml", ".yml")


def _check(network: Architecture, path: Path) -> Architecture:
    """Refuse networks whose fields are valid one by one but not together."""
    for number, stage in enumerate(network.list_blocks()):
        group_width = network.stages[number].group_width
        if group_width and any(block.hidden % group_width for block in stage):
            raise ScalectlError(
                f"{path}: stages.{number}.group_width: {group_width} does not divide the inner width "
                f"{stage[0].hidden}.",
                "Inner widths are width * expansion in a bottleneck.",
            )
    if network.resolution < network.downsampling:
        raise ScalectlError(
            f"{path}: resolution: {network.resolution} px are less than one pixel of the last map, "
            f"which stands for {network.downsampling}.",
            "Raise it, or remove strides.",
        )
    return network


def find_baseline(name: str) -> Baseline:
    """Find a network by its name, in a file, by timm's block strings, or as a user's factory.

    `package.module:build` is called for 224 px, `package.module:build@160` for others. Raises
    `ScalectlError` where there is no such network.
    """
    path = parsing.expand_home(name)
    if is_block_strings(name):
        return parse_network(name)
    if (path / WINNER).exists():
        path = path / WINNER
    elif (path / "FORMAT.json").exists():
        raise ScalectlError(
            f"{name} is a run without a winner that could be a baseline.",
            "Give a run of scalectl nas that is over.",
        )
    if path.suffix in (".toml", ".json", *_YAML):
        # Grid files name theirs as in the repository, whose folder grids/ is shipped.
        shipped = None if path.exists() else parsing.find_shipped(name.removeprefix("grids/"))
        network = load_network(shipped or path)
        if isinstance(network, Factory):
            raise ScalectlError(
                f"{name} is a size of the factory {network.target}, and a file's code is not run.",
                f"Give --baseline {network.target} itself.",
            )
        return network
    if ":" in name and not name.startswith(("hf-hub:", "hf_hub:")):
        target, _, resolution = name.partition("@")
        if not re.fullmatch(r"[\w.]+:\w+", target) or not re.fullmatch(r"\d*", resolution):
            raise ScalectlError(
                f"The baseline {name!r} is not package.module:function.",
                "Such as my_nets:build, or my_nets:build@160 for images of 160 px.",
            )
        return make_factory(target, int(resolution or 224))
    return find_architecture(name)


parsing.forbid_extra(Stage, Rounding, Architecture, Cost, Factory)
