"""From the store to TorchScript and to the archive: what leaves is what was trained, and runs by itself."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from handler.preprocessing import normalise
from tests.support import CHINA, FLOWER
from tests.training.conftest import invoke, succeed
from training.export import ParityError, parity, sample_images, scripted
from training.store import load, read_card, write_card

# Run with nothing of the repository on the path: what answers here is what the archive holds.
ALONE = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, ".")
import deepfake_handler
from handler.preprocessing import decode, normalise, resize
assert Path(deepfake_handler.__file__).parent == Path.cwd(), deepfake_handler.__file__
module = torch.jit.load("deepfake.pt")
pixels = resize(decode(Path(sys.argv[1]).read_bytes()))
print(module(normalise(torch.from_numpy(pixels)[None])).item())
"""


def test_a_broken_export_is_refused_and_not_written(store: Path) -> None:
    detector, _ = load(store)
    inputs = normalise(torch.from_numpy(sample_images()[:2]))
    module = scripted(detector)
    assert parity(detector, module, inputs) < 1e-5
    detector.bias = detector.bias + 1e-3
    with pytest.raises(ParityError, match="differs"):
        parity(detector, module, inputs)


def test_what_took_the_place_of_a_builtin_in_memory_is_compiled_as_itself(store: Path) -> None:
    detector, _ = load(store)
    [conv, *_] = (part for part in detector.modules() if isinstance(part, torch.nn.Conv2d))
    torch.jit._builtins._register_builtin(conv._reversed_padding_repeated_twice, "aten::add")
    scripted(detector)


def test_parity_is_checked_on_given_images_too(store: Path) -> None:
    output = succeed("export", "--store", store, "--images", FLOWER).output
    assert "largest difference" in " ".join(output.split())


def test_weights_that_are_not_the_cards_are_refused(store: Path, tmp_path: Path) -> None:
    for name in ("deepfake.safetensors", "model.json"):
        shutil.copy(store / name, tmp_path)
    write_card(read_card(tmp_path) | {"weights_sha256": "0" * 64}, tmp_path)
    result = invoke("export", "--store", tmp_path)
    assert result.exit_code == 1
    assert "SHA-256 differs" in result.output
    assert not (tmp_path / "deepfake.pt").exists()


def test_archive_runs_in_a_clean_interpreter(store: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(store / "deepfake.mar") as archive:
        archive.extractall(tmp_path)
    manifest = json.loads((tmp_path / "MAR-INF/MANIFEST.json").read_text())["model"]
    assert manifest["handler"] == "deepfake_handler.py"
    assert manifest["modelVersion"] == "3.1"
    assert (tmp_path / manifest["serializedFile"]).exists()
    assert (tmp_path / "model-config.yaml").exists()
    assert json.loads((tmp_path / "model.json").read_text())["weights_sha256"]
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", ALONE, CHINA],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    alone = float(done.stdout)
    [answer] = json.loads(succeed("predict", CHINA, "--store", store, "--json").output)
    assert answer["probability_real"] == pytest.approx(alone, abs=1e-6)


def test_predict_answers_as_the_endpoint_does(store: Path, tmp_path: Path) -> None:
    shutil.copy(FLOWER, tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    result = invoke("predict", tmp_path, "--store", store, "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.output)
    assert set(good) == {
        "file",
        "label",
        "probability_real",
        "confidence",
        "certainty",
        "model",
        "model_version",
    }
    assert good["model_version"] == "3.1"
    assert good["certainty"] in {"high", "low"}
    assert (bad["code"], bad["type"]) == (400, "BadImage")
    table = invoke("predict", tmp_path / "a.jpg", "--store", store)
    assert table.exit_code == 0
    assert good["label"] in table.output


def test_commands_say_which_step_is_missing(tmp_path: Path) -> None:
    for command in ("export", "archive"):
        result = invoke(command, "--store", tmp_path)
        assert result.exit_code == 1
        assert "python -m training" in result.output
