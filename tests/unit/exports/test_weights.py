"""Starting weights: whose they are, and that libraries load them."""

import json
import pickle
from pathlib import Path

import pytest
import timm
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from scalectl.arch.baselines import find_architecture
from scalectl.cli import main
from scalectl.exports.python_module import import_module
from scalectl.exports.weights import read_source, start
from scalectl.nn.build import build


def scale_from(path: Path, folder: Path, *options: str) -> Result:
    arguments = ["scale", "--weights-from", str(path), "-o", str(folder), "--no-verify", *options]
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of timm's own network, for a task of ten classes; as safetensors sort it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    model = timm.create_model("mobilenetv3_small_100", num_classes=10)
    save_file(model.state_dict(), path)
    return path


def test_timm_and_torch_load_what_is_written(published: Path, tmp_path: Path) -> None:
    """Both give the same logits, those of the network that the weights are of."""
    options = [
        "--baseline",
        "mobilenetv3_small_100",
        "--classes",
        "10",
        "--coefficients",
        "1,1.2,1",
    ]
    result = scale_from(
        published, tmp_path, *options, "--phi", "1", "--to", "timm", "--to", "torch", "--json"
    )
    assert result.exit_code == 0, result.output
    (size,) = json.loads(result.stdout)["sizes"]
    name, weights = size["name"], size["weights"]
    assert weights["source"] == "mobilenetv3_small_100"
    assert weights["used"] == weights["of_source"]
    assert weights["of_size"] == size["params"]
    assert f"100.0% of the {weights['used']:,} parameters" in result.stderr
    files = [str(tmp_path / f"{name}{ending}.safetensors") for ending in ("", "_torch")]
    assert weights["files"] == files
    import_module(tmp_path / f"{name}.py")
    overlay = {"file": files[0]}
    theirs = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay).eval()
    ours = getattr(import_module(tmp_path / f"{name}_torch.py"), name)().eval()
    ours.load_state_dict(load_file(files[1]))
    source = timm.create_model("mobilenetv3_small_100", num_classes=10).eval()
    source.load_state_dict(load_file(published))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs(images), ours(images), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(theirs(images), source(images), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["efficientnet_b1", "resnet18", "convnext_tiny"])
def test_weights_are_recognised(name: str, tmp_path: Path) -> None:
    """By the names that timm publishes them by, in a checkpoint of a training, without counters."""
    with torch.random.fork_rng():
        model = timm.create_model(name, num_classes=3).eval()
    state = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "checkpoint.pth")
    others = [find_architecture(other) for other in ("efficientnet_b0", "resnet34", name)]
    source = read_source(tmp_path / "checkpoint.pth", others)
    assert source.name == name
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(source.network.eval()(images), model(images))


def test_a_networks_own_names_are_recognised(tmp_path: Path) -> None:
    """As the emitted modules for torch have them; and the start is the same each time."""
    network = find_architecture("resnet18")
    torch.save(build(network).state_dict(), tmp_path / "own.pth")
    source = read_source(tmp_path / "own.pth", [network])
    first, second = (start(source, network)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


class _Planted:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("planted"),)


def test_what_cannot_be_used_is_refused(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence, and no pickled code is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.pth").write_bytes(pickle.dumps({"state_dict": _Planted()}))
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    options = ["--phi", "1", "--to", "timm"]
    for name, said in [
        ("nowhere.pth", "cannot be read as weights"),
        ("junk.safetensors", "cannot be read as weights"),
        ("code.pth", "cannot be read as weights"),
        (str(published), "which are of none of efficientnet_b0, "),
    ]:
        result = scale_from(Path(name), tmp_path, *options)
        assert result.exit_code == 2
        assert said in result.stderr
    assert not list(tmp_path.glob("*.py"))
    assert not (tmp_path / "planted").exists()
    for other in (["--phi", "1", "--to", "json"], ["--official", "b1", "--to", "timm"]):
        assert scale_from(published, tmp_path, *other).exit_code == 2
