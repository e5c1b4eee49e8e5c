import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import factories
import pytest
from click.testing import CliRunner, Result
from command_server import TRIALS, CommandServer, search_in
from factories import RECORDS, ROOT, TINY
from jsonschema import Draft202012Validator
from PIL import Image
from processes import wait_until

from scalectl.arch.baselines import BASELINES
from scalectl.cli import main
from scalectl.commands.shared.results import check_requirement
from scalectl.errors import ScalectlError
from scalectl.report.published import find_bases
from scalectl.store.checksum import add_checksum

TINY_OPTIONS = [part for override in TINY for part in ("--set", override)]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny search that was really run, by the command."""
    folder = tmp_path_factory.mktemp("work") / "runs" / "tiny"
    result = invoke("grid", "-o", str(folder), "--executor", "inline", *TINY_OPTIONS)
    assert result.exit_code == 0, result.stderr
    return folder


def test_a_search_ends_with_a_verdict(run: Path) -> None:
    """And continues as done; more seeds are added to it."""
    again = invoke("grid", "-o", str(run), "--executor", "inline", *TINY_OPTIONS)
    assert again.exit_code == 0
    assert "NOT IDENTIFIED" in again.stdout
    assert "demo proxy" in again.stdout
    assert "trials are in" in again.stderr
    # At chance level: nothing to scale by.
    assert f"  scalectl grid {run}/grid.toml -o {run}-longer --set proxy.epochs=" in again.stderr
    assert "scalectl scale" not in again.stderr
    assert (run / "grid.toml").exists()
    assert json.loads((run / "selection.json").read_text())["status"] == "not_identified"


def test_a_search_as_json_is_one_document(run: Path) -> None:
    result = invoke("grid", "-o", str(run), "--executor", "inline", "--json", *TINY_OPTIONS)
    document = json.loads(result.stdout)
    assert document["schema_version"] == 2
    assert document["trials"] == len(document["records"])
    assert document["selection"]["status"] == "not_identified"
    assert {record["state"] for record in document["records"]} == {"done"}


def test_events_are_lines_of_json(run: Path) -> None:
    """The document of --json is the last; each is as the published schema says."""
    options = ("--executor", "inline", "--events", *TINY_OPTIONS, "--set", "seeds=2")
    result = invoke("grid", "-o", str(run.parent.parent / "events"), *options)
    assert result.exit_code == 0, result.stderr
    *lines, document = map(json.loads, result.stdout.splitlines())
    for line in lines:
        check("event", line)
        if line["event"] == "record":
            check("record", line)
    check("grid", document)
    names = [line["event"] for line in lines]
    assert (names[0], names[-1]) == ("begun", "concluded")
    assert names.count("record") == document["trials"] == len(document["records"])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dry_run", "grid --dry-run --no-probe"),
        ("nas_dry_run", "nas --dry-run --no-probe"),
        ("report", f"report {RECORDS}"),
        ("reports", f"report {RECORDS} {RECORDS}"),
        ("scale", "scale --coefficients paper --macs 1G"),
        ("scale", "scale --official b1"),
        ("profile", "profile b0"),
        ("baselines", "baselines b0"),
        ("error", "scale"),
        ("error", "report nowhere"),
    ],
)
def test_documents_are_as_the_schema_says(name: str, line: str) -> None:
    result = invoke(*line.split(), "--json")
    check(name, json.loads(result.stdout or result.stderr))


def check(name: str, document: object) -> None:
    """Compare a document with its definition in the published schema."""
    schema = json.loads((ROOT / "docs" / "schema.json").read_text())
    Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]}).validate(document)


def test_a_dry_run_lists_everything_and_trains_nothing(tmp_path: Path) -> None:
    document = json.loads(
        invoke("grid", "-o", str(tmp_path / "r"), "--dry-run", "--no-probe", "--json").stdout
    )
    keys = (
        "alpha beta gamma nominal_ratio realised_ratio depth width resolution params macs "
        "activations fingerprint control"
    )
    assert set(keys.split()) <= document["candidates"][0].keys()
    controls = {candidate["control"] for candidate in document["candidates"]}
    assert controls >= {"baseline", "depth", "width", "resolution", "dwr", "dWr", "paper"}
    assert document["trials"] == 4 * len(document["candidates"]) == 36
    assert not (tmp_path / "r").exists()


def test_the_default_holds_everybody_to_five_percent() -> None:
    """Realised MACs, counted."""
    document = json.loads(invoke("grid", "--dry-run", "--no-probe", "--json").stdout)
    ratios = [
        candidate["realised_ratio"]
        for candidate in document["candidates"]
        if candidate["control"] != "baseline"
    ]
    assert len(ratios) >= 8
    assert all(2 / 1.05 <= ratio <= 2 * 1.05 for ratio in ratios)


def test_scale_takes_the_newest_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so, with the search's rounding."""
    monkeypatch.chdir(run.parent.parent)
    result = invoke("scale", "--phi", "1..3", "--json")
    document = json.loads(result.stdout)
    assert "tiny, NOT IDENTIFIED" in result.stderr
    assert [size["phi"] for size in document["sizes"]] == [1, 2, 3]
    assert document["sizes"][0]["architecture"]["rounding"]["rule"] == "nearest"


def test_scale_without_a_run_takes_the_paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = invoke("scale", "--family", "--json")
    document = json.loads(result.stdout)
    assert "the paper" in result.stderr
    assert document["coefficients"] == {"alpha": 1.2, "beta": 1.1, "gamma": 1.15}
    assert [size["phi"] for size in document["sizes"]] == [0.5, 1, 2, 3.5, 5, 6, 7]


def test_options_come_from_the_environment_too() -> None:
    """SCALECTL_COMMAND_OPTION."""
    variables = {"SCALECTL_SCALE_PHI": "2", "SCALECTL_SCALE_COEFFICIENTS": "dwr"}
    result = CliRunner(env=variables).invoke(main, ["scale", "--json"])
    assert json.loads(result.stdout)["sizes"][0]["phi"] == 2


def test_scale_writes_configs_that_load(tmp_path: Path) -> None:
    """All formats, verified, and one of them is a baseline again."""
    result = invoke(
        *("scale", "--coefficients", "1.2,1.1,1.15", "--phi", "2", "-o", str(tmp_path), "--json"),
        *("--to", "json", "--to", "toml", "--to", "timm"),
    )
    (size,) = json.loads(result.stdout)["sizes"]
    assert [export["verified"] for export in size["exports"]] == [True] * 3
    assert {export["params"] for export in size["exports"]} == {size["params"]}
    emitted = tmp_path / "efficientnet_b0_phi2.toml"
    again = invoke("scale", "--coefficients", "paper", "--baseline", str(emitted), "--phi", "0", "--json")  # fmt: skip
    assert json.loads(again.stdout)["sizes"][0]["macs"] == size["macs"]


def test_scale_gives_the_published_sizes() -> None:
    """Parameters of B4, as published with the paper's code."""
    document = json.loads(invoke("scale", "--official", "B4", "--json").stdout)
    assert document["sizes"][0]["params"] == 19_341_616


@pytest.mark.parametrize("form", ["rich", "markdown", "csv", "latex", "json"])
def test_report_in_every_format(form: str, run: Path) -> None:
    result = invoke("report", str(run), "--format", form)
    assert result.exit_code == 0
    assert "resolution" in result.stdout
    if form in ("rich", "markdown", "latex"):
        assert "demo proxy" in result.stdout
        assert "Frontier" not in result.stdout
        assert "Frontier" in invoke("report", str(run), "--format", form, "--all").stdout
    if form in ("rich", "markdown"):
        assert f" -o {run} --seeds 2" in result.stdout
    if form == "latex":
        assert result.stdout.startswith("\\begin{table}")
        assert result.stdout.count("\\begin{tabular}") == 1
    if form == "json":
        document = json.loads(result.stdout)
        for key in ("candidates", "records", "selection", "controls", "damaged", "fingerprints"):
            assert key in document
        assert {"n", "mean_top1", "sd_top1", "mean_loss"} <= document["candidates"][0].keys()


def test_report_shows_the_rest_of_a_damaged_run(run: Path, tmp_path: Path) -> None:
    """Names the file, exit code 3; grid then repairs it."""
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    damaged = min((copy / "trials").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-9])
    result = invoke("report", str(copy), "--json")
    assert result.exit_code == 3
    assert damaged.name in result.stderr
    document = json.loads(result.stdout)
    assert len(document["damaged"]) == 1
    repaired = invoke("grid", "-o", str(copy), "--executor", "inline", *TINY_OPTIONS)
    assert repaired.exit_code == 0
    assert json.loads(invoke("report", str(copy), "--json").stdout)["damaged"] == []


def test_failed_trials_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 6, with the reason in the report; nothing comes next, since nothing came out."""
    monkeypatch.setattr("scalectl.commands.shared.searching.require_device", lambda _: None)
    folder = str(tmp_path / "run")
    result = invoke("grid", "-o", folder, "--executor", "inline", "--device", "cuda:99", *TINY_OPTIONS)  # fmt: skip
    assert result.exit_code == 6
    assert "trials failed" in result.stderr
    assert "Next: " not in result.output
    document = json.loads(invoke("report", folder, "--json").stdout)
    assert document["selection"]["status"] == "no_eligible_winner"
    assert all(record["error"] for record in document["records"])
    assert invoke("scale", "--from", folder, "--phi", "1").exit_code == 4


def test_a_folder_of_images_is_searched(tmp_path: Path) -> None:
    """The user's own data, from class folders to a config."""
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(40):
            image = Image.new("RGB", (24, 24), (index, 100 * label, 7))
            image.save(tmp_path / "data" / name / f"{index}.png")
    run = str(tmp_path / "run")
    data = ("--data", f"folder:{tmp_path / 'data'}")
    result = invoke("grid", "-o", run, *data, "--executor", "inline", *TINY_OPTIONS)
    assert result.exit_code == 0, result.stderr
    assert "folder data" in result.stdout
    scaled = invoke("scale", "--from", run, "--phi", "1", "--to", "toml", "-o", str(tmp_path))
    assert scaled.exit_code == 0
    assert (tmp_path / "efficientnet_b0_phi1.toml").exists()


def test_other_images_are_not_mixed_in(run: Path) -> None:
    """Fewer of them are other images, even if only the data differ."""
    result = invoke("grid", "-o", str(run), *TINY_OPTIONS, "--set", "proxy.select_images=16")
    assert result.exit_code == 2
    assert "proxy.select_images is 32 there and 16 here" in result.stderr
    (run / "grid.toml").rename(run / "elsewhere.toml")
    result = invoke("grid", "-o", str(run), *TINY_OPTIONS, "--set", "proxy.select_images=16")
    (run / "elsewhere.toml").rename(run / "grid.toml")
    assert result.exit_code == 2
    assert "trained on other images." in result.stderr


def test_a_run_of_images_that_another_version_drew_is_not_continued(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the data set is the same by name only."""
    monkeypatch.setattr("scalectl.data.glyphs._VERSION", 1)
    result = invoke("grid", "-o", str(run), *TINY_OPTIONS)
    assert result.exit_code == 2
    assert "trained on other images: glyphs had others when it began." in result.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "terminate"]
)
def test_an_interrupted_search_says_how_to_continue(number: int, code: int, tmp_path: Path) -> None:
    """And leaves no process: a terminal tells all of them, others the command alone."""
    arguments = [*search_in(tmp_path), "--executor", "processes", "--set", "proxy.epochs=1000"]
    command = [sys.executable, "-m", "scalectl", *arguments]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    wait_until(lambda: list((tmp_path / "run" / "checkpoints").glob("[!.]*")))
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "to continue, run the same command: scalectl grid -o run" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["ctrl-c", "terminate", "hang up"],
)
def test_an_interrupted_search_continues(
    number: int, code: int, server: CommandServer, tmp_path: Path
) -> None:
    """The same command keeps what is stored, and ends it."""
    arguments = [*search_in(tmp_path), "--set", "proxy.epochs=20"]
    process = server.start(arguments, tmp_path)
    wait_until(lambda: list_stored(tmp_path))
    os.kill(process, number)
    assert server.wait(process) == code
    said = (tmp_path / "stderr").read_text()
    assert "to continue, run the same command: scalectl" in said
    assert "Traceback" not in said
    kept = len(list_stored(tmp_path))
    assert kept < TRIALS
    assert server.run(arguments, tmp_path) == 0
    assert f"{kept} of {TRIALS} trials are in run already" in (tmp_path / "stderr").read_text()


def list_stored(folder: Path) -> list[Path]:
    return list((folder / "run" / "trials").glob("[!.]*.parquet"))


NET = """
[architecture]
resolution = 64
stem_width = 16
activation = "relu"

[[architecture.stages]]
block = "bottleneck"
repeats = 2
width = 64
stride = 2
kernel = 3
expansion = 0.25
"""


def test_a_users_own_stages_are_a_baseline(tmp_path: Path) -> None:
    """Everywhere: searched, scaled, exported, profiled, listed."""
    net = tmp_path / "my_net.toml"
    net.write_text(NET)
    out = ("-o", str(tmp_path))
    scaled = invoke("scale", "--baseline", str(net), "--coefficients", "dwr", "--phi", "2", *out, "--to", "keras", "--to", "torch", "--json")  # fmt: skip
    (size,) = json.loads(scaled.stdout)["sizes"]
    assert size["name"] == "my_net_phi2"
    assert [export["verified"] for export in size["exports"]] == [True, True]
    stages = json.loads(invoke("profile", str(net), "--json").stdout)["stages"]
    assert [stage["part"] for stage in stages] == ["stem", "stage 1", "classifier"]
    listed = json.loads(invoke("baselines", str(net), "--json").stdout)["baselines"][0]
    assert listed["exports"]["torch"] == ""
    assert "two stages" in listed["exports"]["timm"]
    assert "7x7 stem" in listed["exports"]["transformers"]
    assert invoke("grid", "--baseline", str(net), "--dry-run", "--no-probe").exit_code == 0


def test_a_budget_is_not_exceeded_unless_asked_for() -> None:
    """And the size on its other side is said."""
    budget = ("scale", "--coefficients", "paper", "--macs", "600M", "--json")
    result, nearest = invoke(*budget), invoke(*budget, "--nearest")
    document = json.loads(result.stdout)
    (size,) = document["sizes"]
    assert size["macs"] <= 600e6 < document["budget"]["next"]["macs"]
    assert "of the 600,000,000 asked for. The next larger size: phi = " in result.stderr
    (near,) = json.loads(nearest.stdout)["sizes"]
    assert near["macs"] in (size["macs"], document["budget"]["next"]["macs"])
    smaller = invoke("scale", "--coefficients", "paper", "--params", "3M")
    assert "shrinking" in smaller.stderr


def test_what_rounding_does_is_said_out_loud() -> None:
    """A small step of the official rule costs half as much again: it rounds repeats up."""
    said = invoke("scale", "--coefficients", "paper", "--phi", "0.0635")
    assert "1.48x the baseline instead of 1.04x (1.00x by --rounding nearest)" in said.stderr
    quiet = invoke("scale", "--coefficients", "paper", "--phi", "0.0635", "--rounding", "nearest")
    assert "Warning" not in quiet.stderr
    several = invoke("scale", "--coefficients", "paper", "--phi", "0.1..2:0.1")
    assert "more likewise" in several.stderr


@pytest.mark.parametrize("most", [250, 128, 32])
def test_a_capped_resolution_hands_its_share_on(most: int) -> None:
    """Also where it is below the baseline's own."""
    free, capped = (
        json.loads(invoke("scale", "--coefficients", "paper", "--phi", "3", "--json", *more).stdout)
        for more in ((), ("--max-resolution", str(most)))
    )
    assert capped["sizes"][0]["resolution"] == most // 4 * 4
    assert capped["sizes"][0]["depth"] > free["sizes"][0]["depth"]
    assert capped["sizes"][0]["nominal_ratio"] == free["sizes"][0]["nominal_ratio"]


def test_how_published_sizes_relate_to_phi() -> None:
    """The intervals of docs/method.md, section 5."""
    text = invoke("scale", "--explain").stdout
    assert "[1.1734, 1.1757]" in text
    assert "[1.1004, 1.1025]" in text
    assert "no alpha gives the depths" in text
    depths = [BASELINES[f"efficientnet_b{phi}"].multipliers.depth for phi in range(1, 8)]
    low, high = find_bases(depths, range(1, 8))
    assert low > high


def test_profile_measures() -> None:
    document = json.loads(
        invoke("profile", "b0", "--resolution", "32", "--measure", "--json").stdout
    )
    assert document["macs"] < 385_814_752 / 30
    assert document["latency"]["fastest"] <= document["latency"]["seconds"]
    assert document["latency"]["peak_memory"] > 2**20
    at_phi = json.loads(
        invoke("profile", "b0", "--phi", "1", "--coefficients", "paper", "--json").stdout
    )
    assert at_phi["macs"] == 859_853_760


def test_profile_measures_with_early_stages_fused() -> None:
    """As it is first; with more multiply-adds then, whatever that does to the time."""
    line = "profile b0 --resolution 32 --measure --fused 2"
    document = json.loads(invoke(*line.split(), "--json").stdout)
    check("profile", document)
    fused = document["fused"]
    assert [each["stages"] for each in fused] == [[], [1], [1, 2]]
    assert fused[0]["macs"] == document["macs"] < fused[1]["macs"] < fused[2]["macs"]
    assert all(each["fastest"] <= each["seconds"] <= each["slowest"] for each in fused)
    text = invoke(*line.split()).stdout
    assert "efficientnet_b0 with early stages fused, one image at a time on cpu" in text
    assert "none, as it is" in text


def test_a_refused_format_does_not_keep_the_others(tmp_path: Path) -> None:
    """The rest is written; the reason is said; nothing is approximated."""
    line = f"scale --phi 1 --baseline resnet50 --to torchvision --to toml -o {tmp_path} --json"
    result = invoke(*line.split(), "--coefficients", "paper")
    assert result.exit_code == 2
    assert "cannot be widened" in result.stderr.splitlines()[-1]
    refused, written = json.loads(result.stdout)["sizes"][0]["exports"]
    assert (refused["path"], refused["verified"]) == (None, None)
    assert written["verified"]
    assert [path.name for path in tmp_path.iterdir()] == ["resnet50_phi1.toml"]


def test_a_format_that_cannot_be_written_is_noticed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before half of the files are there; where the disk gives up, what was written is listed."""
    line = f"scale --phi 1..2 --coefficients paper --to toml --to onnx --no-verify -o {tmp_path}"
    with monkeypatch.context() as without:
        without.setattr("scalectl.exports.is_installed", lambda library: library != "onnxscript")
        result = invoke(*line.split())
        assert "measured" not in invoke("scale", "--latency", "1s", "--to", "onnx").stderr
    assert result.exit_code == 2
    assert "--to onnx needs onnxscript" in result.stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "efficientnet_b0_phi2.toml").mkdir()
    result = invoke(*line.replace("--to onnx", "").split())
    assert result.exit_code == 2
    assert f"{tmp_path / 'efficientnet_b0_phi1.toml'}: written" in result.stderr


def test_verify_tells_good_from_wrong(tmp_path: Path) -> None:
    """Exit code 3, and the rest is shown."""
    invoke("scale", "--official", "b0", "--to", "json", "--to", "pycls", "-o", str(tmp_path))
    good, other = (tmp_path / f"official_efficientnet_b0.{end}" for end in ("json", "yaml"))
    wrong = tmp_path / "wrong.json"
    wrong.write_text(good.read_text().replace("5288548", "5288549"))
    result = invoke("verify", str(good), str(wrong), str(other))
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert [line.split(": ")[1] for line in lines[::2]] == ["good", "WRONG", "good"]
    assert all("the format has no networks of its own" in line for line in lines[1::2])
    document = json.loads(invoke("verify", str(good), "--json").stdout)
    assert document["files"][0]["params"] == document["files"][0]["expected_params"]
    assert document["files"][0]["forward_ok"]
    check("verify", document)


def test_verify_says_what_is_as_in_the_library(tmp_path: Path) -> None:
    """And other than there, with the reason; in JSON, both sides."""
    options = ("--to", "timm", "--to", "transformers", "-o", str(tmp_path))
    invoke("scale", "--official", "b0", "--no-verify", *options)
    files = [str(tmp_path / f"official_efficientnet_b0{end}") for end in (".py", "")]
    text = invoke("verify", *files).stdout
    assert "as in timm's efficientnet_b0: batch norms, activations, padding, dropout, init" in text
    assert "since its own momentum of 0.99 would keep the statistics of the last batch" in text
    document = json.loads(invoke("verify", *files, "--json").stdout)
    check("verify", document)
    norms = document["files"][1]["comparison"]["conventions"][0]
    assert norms["name"] == "batch norms"
    assert norms["built"] == ["momentum 0.1, eps 0.001"]
    assert norms["same"] is False


@pytest.mark.parametrize("name", ["efficientnet_b0-fashion_mnist", "compound-fashion_mnist"])
def test_what_is_required_decides_the_exit_code(name: str) -> None:
    """Whatever is printed; the error says what would help."""
    records = str(ROOT / "grids" / f"{name}.parquet")
    sure = name.startswith("efficientnet")
    for form in ((), ("--json",), ("--format", "csv")):
        result = invoke("report", records, "--require", "identified", *form)
        assert result.exit_code == (0 if sure else 4), result.stderr
        assert result.stdout == invoke("report", records, *form).stdout
        assert ("is not identified" in result.stderr) is not sure
    if not sure:
        result = invoke("report", records, "--require", "identified", "--json")
        error = json.loads(result.stderr.splitlines()[-1])["error"]
        assert error["kind"] == "no_winner"
        assert "more seeds" in error["hint"] or "longer" in error["hint"].lower()


def test_what_is_identified_by_guessing_is_not_enough() -> None:
    """Nor what is identified before the search is over."""
    results = factories.complete()
    assert results.selection.status == "identified"
    check_requirement([results], [Path("x")], "identified")
    summaries = tuple(replace(each, mean_top1=0.06) for each in results.summaries)
    guessed = replace(results, summaries=summaries)
    check_requirement([guessed], [Path("x")], None)
    with pytest.raises(ScalectlError, match="always answers the largest class") as raised:
        check_requirement([guessed], [Path("x")], "identified")
    assert raised.value.exit_code == 4
    assert "-o x-longer --set proxy.epochs" in raised.value.hint


def test_baselines_are_listed() -> None:
    text = invoke("baselines").stdout
    assert "mobilenetv3_large_100" in text
    assert "480,309,308" in text
    entries = json.loads(invoke("baselines", "--json").stdout)["baselines"]
    assert {"name", "rule", "exports", "params", "macs", "activations"} <= entries[0].keys()


WRONG = [
    (f"report {'x' * 300}", 2, "name of a file or folder is too long"),
    (f"scale --baseline {'x' * 300} --phi 1", 2, "name of a file or folder is too long"),
    (f"grid --data folder:{'x' * 300}", 2, "name of a file or folder is too long"),
    ("grid --set proxy.epoch=3", 2, "did you mean proxy.epochs?"),
    ("grid --set proxy.epochs=0", 2, "proxy.epochs"),
    ("grid --set proxy.epochs=many", 2, "proxy.epochs"),
    ("grid --set proxy", 2, "is not KEY=VALUE"),
    ("grid --set design.tolerance=0 --set design.kind=lattice --set design.step=0.9 --set design.max_deviation=0.0001", 2, "No candidate is left"),
    ("grid --baseline efficientnet_b00", 2, "efficientnet_b0"),
    ("grid --baseline missing.toml", 2, "cannot be read"),
    ("grid missing.toml", 2, "missing.toml cannot be read"),
    ("grid broken.toml", 2, "broken.toml cannot be parsed"),
    ("grid typo.toml", 2, "did you mean design?"),
    ("grid --data folder:missing", 2, "no folder 'missing'"),
    ("grid --data imagenet", 2, "no data set of kind 'imagenet'"),
    ("grid --seeds 0", 2, "0 is not in the range"),
    ("grid --jobs none", 2, "not a valid integer"),
    ("grid --device gpu", 2, "is not auto, cpu"),
    ("grid --device cuda:77", 2, "GPU"),
    ("grid --device mps --executor inline", 2, "mps is a GPU of Apple's"),
    ("profile b0 --measure --device cuda:77", 2, "GPU"),
    ("profile -- --events", 2, "There is no baseline '--events'"),
    ("report --all --table family", 2, "--all goes neither"),
    ("grid --stall 0", 2, "0.0 is not in the range"),
    ("grid --time-budget 0h", 2, "'0h' is not a time above 0, such as 90s"),
    ("grid --time-budget -2h", 2, "'-2h' is not a time above 0"),
    ("grid --time-budget 90", 2, "'90' is not a time above 0"),
    ("grid --time-budget 2h --dry-run --no-probe", 2, "--no-probe goes with --dry-run alone"),
    ("grid --events --json", 2, "--events goes neither with --json"),
    ("nas --time-budget 2h --shard 1/2", 2, "--time-budget plans for one machine alone"),
    ("nas --events --json", 2, "--events goes neither with --json nor with --dry-run"),
    ("nas --no-probe", 2, "--no-probe goes with --dry-run alone"),
    ("grid --no-probe", 2, "--no-probe goes with --dry-run alone"),
    ("grid -o other --time-budget 2h", 2, "holds another search: proxy.epochs is 9 there"),
    ("grid --set watch.memory=-1", 2, "watch.memory"),
    ("grid --set watch.retry=1", 2, "did you mean watch.retries?"),
    ("grid --set proxy.ema=1", 2, "proxy.ema"),
    ("grid -o a_file", 2, "a_file cannot be written"),
    ("grid -o other", 2, "holds another search: proxy.epochs is 9 there"),
    ("grid --set proxy.resolution=100", 2, "no information above 72 px"),
    ("scale", 2, "Say how large"),
    ("scale --phi four", 2, "neither a number nor a range"),
    ("scale --phi 7..1", 2, "neither a number nor a range"),
    ("scale --phi nan", 2, "neither a number nor a range"),
    ("scale --phi 1 --coefficients 0.9,1.1,1.1", 2, "at least 1"),
    ("scale --phi 1 --coefficients 1.2,1.1", 2, "is not three numbers"),
    ("scale --phi 1 --coefficients 1,1,1", 2, "do not grow anything"),
    ("scale --phi 1 --from missing", 2, "There is no"),
    ("scale --phi 1 --from a --coefficients paper", 2, "not both"),
    ("scale --official b9", 2, "There is no baseline 'b9'; did you mean 'efficientnet_b"),
    ("scale --official b4 --phi 1", 2, "Say how large, by one of"),
    ("scale --phi 1 --to lukemelas", 2, "'lukemelas' is not one of"),
    ("scale --phi 1 --macs 1G", 2, "Say how large, by one of"),
    ("scale --phi 1..3:0", 2, "neither a number nor a range"),
    ("scale --macs 0", 2, "not a number above 0"),
    ("scale --macs 1.2T", 2, "such as 1.2G"),
    ("scale --params 8M --coefficients resolution", 2, "the largest 5,288,548"),
    ("scale --phi 3 --coefficients resolution --max-resolution 240", 2, "grow the resolution alone"),
    ("scale --official b4 --max-resolution 300", 2, "stands alone"),
    ("scale --official b4 --rounding nearest", 2, "stands alone"),
    ("scale --phi 1 --rounding up", 2, "'up' is not one of"),
    ("scale --phi 1 --nearest", 2, "--nearest goes with"),
    ("scale --phi 1 --baseline groups.toml", 2, "group_width: 5 does not divide"),
    ("scale --phi 1 --baseline typo_net.toml", 2, "did you mean architecture.stages.0.width"),
    ("scale --phi 1 --baseline my.nets:", 2, "is not package.module:function"),
    ("scale --phi 1 --baseline no_such_module:build", 2, "cannot be imported"),
    ("scale --phi 1 --baseline json:dumps", 2, "raised TypeError"),
    ("scale --phi 1 --baseline json:missing", 2, "has no function 'missing'"),
    ("profile", 2, "Missing argument 'TARGET'"),
    ("profile efficientnet_b00", 2, "did you mean"),
    ("profile b0 --coefficients paper", 2, "needs --phi"),
    ("profile b0 --resolution 4", 2, "--resolution"),
    ("profile b0 --fused 2", 2, "--fused needs --measure"),
    ("profile b0 --measure --fused 0", 2, "--fused"),
    ("profile b0 --measure --fused 8", 2, "has 7 mbconv stages, and 8 are to be fused"),
    ("profile resnet50 --measure --fused 1", 2, "has no mbconv stages"),
    ("verify", 2, "Missing argument 'FILE...'"),
    ("verify missing.json", 2, "does not exist"),
    ("verify a_file", 2, "of no format"),
    ("verify typo.toml", 2, "has no"),
    ("baselines b99", 2, "There is no baseline"),
    ("scale --phi 1 --to json -o a_file", 2, "cannot be written"),
    ("report", 2, "no run under ./runs"),
    ("report missing", 2, "There is no"),
    ("report a_file", 3, "1 that are damaged"),
    ("report --json --table family", 2, "does not go with JSON"),
    ("report empty", 2, "not a run"),
    ("report empty --watch", 2, "not a run"),
    ("report a_file --watch", 2, "is a file"),
    ("report a_file --html page.txt", 2, "does not end in .html"),
    ("report --table shares", 2, "'shares' is not one of"),
    ("train", 2, "No such command 'train'."),
    ("gird", 2, "did you mean grid?"),
    ("grid --epochs 3", 2, "did you mean --set proxy.epochs=3?"),
    ("grid --zzz", 2, "No such option --zzz."),
    ("scale --flops 1.2G", 2, "did you mean --macs 600M? FLOPs = 2 x MACs."),
    ("scale --flops=3G", 2, "did you mean --macs 1.5G? FLOPs = 2 x MACs."),
    ("scale --gflops 1.2", 2, "did you mean --macs 600M? FLOPs = 2 x MACs."),
    ("scale --max-flops much", 2, "did you mean --macs, with half the number? FLOPs = 2 x MACs."),
    ("scale --gmacs 1.2", 2, "did you mean --macs 1.2G?"),
    ("scale --madds 600M", 2, "did you mean --macs 600M?"),
    ("scale --macs 1.2GFLOPs", 2, "FLOPs = 2 x MACs: did you mean 600M?"),
    ("scale --macs 1,200,000", 2, "did you mean 1200000?"),
    ("scale --macs 1,5G", 2, "did you mean 1.5G?"),
    ("scale --memory 500MB", 2, "did you mean 500M?"),
    ("scale --params 1B", 2, "did you mean 1G?"),
    ("report --flops 1G", 2, "No such option --flops."),
    ("scale --phi 1 --to pytorch", 2, "did you mean torch?"),
    ("scale --macs 600m", 2, "did you mean 600M?"),
    ("scale --phi 1 --baseline vgg16", 2, "timm's vgg16 is no baseline: scalectl has no stages"),
    ("grid nested.toml", 2, "nested too deeply"),
    ("scale --phi 1 --baseline nested.json", 2, "nested too deeply"),
    ("grid long_key.toml", 2, "[...]"),
    ("grid --set proxy.learning_rate=inf", 2, "proxy.learning_rate is no finite number"),
    ("grid --set proxy.learning_rate=nan", 2, "proxy.learning_rate is no finite number"),
    (f"grid --set proxy.epochs={'9' * 300}", 2, "proxy.epochs is no finite number"),
    (f"grid --set proxy.epochs={'9' * 5000}", 2, "proxy.epochs"),
    ("grid digits.toml", 2, "a number has too many digits"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "message"), WRONG, ids=[line[:60] for line, *_ in WRONG])
def test_wrong_input_gets_a_sentence(
    line: str, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What, where, what is allowed; the documented exit code; no traceback; nothing written."""
    monkeypatch.chdir(tmp_path)
    Path("broken.toml").write_text("seeds = = 2")
    Path("typo.toml").write_text("[desgin]\nstep = 0.1")
    Path("a_file").write_text("not a run")
    Path("empty").mkdir()
    Path("other").mkdir()
    Path("other/grid.toml").write_bytes(add_checksum(b"[proxy]\nepochs = 9\n", ".toml"))
    Path("groups.toml").write_text(NET.replace("kernel = 3", "group_width = 5"))
    Path("typo_net.toml").write_text(NET.replace("width = 64", "wdth = 64"))
    Path("nested.toml").write_text(f"seeds = {'[' * 10_000}{']' * 10_000}")
    Path("nested.json").write_text('{"a":' * 10_000 + "1" + "}" * 10_000)
    Path("long_key.toml").write_text(f"{'k' * 10**6} = 1")
    Path("digits.toml").write_text(f"seeds = {'9' * 5000}")
    before = sorted(tmp_path.rglob("*"))
    result = invoke(*line.split())
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert ("Error: " in result.stderr) != ("--json" in line)
    error = result.stderr[max(0, result.stderr.find("Error: ")) :]
    assert message in error
    assert error.count("\n") == 1
    assert len(error) < 4000
    assert result.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before
