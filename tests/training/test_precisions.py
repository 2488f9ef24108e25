"""Lower precisions: made from the store, measured against float32, and packed only when they pass."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from handler.precision import load
from handler.preprocessing import normalise
from tests.support import ROOT
from tests.training.conftest import succeed
from training.export import sample_images
from training.gate import compare, table
from training.precisions import passed, read_calibration
from training.store import read_card, write_card


@pytest.fixture(scope="module")
def quantized_store(store: Path, csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model store with an int8 module, compared on the drawn faces."""
    folder = tmp_path_factory.mktemp("quantized")
    for name in ("deepfake.safetensors", "model.json", "model-config.yaml"):
        shutil.copy(store / name, folder)
    succeed("quantize", "--store", folder, "--csv", csv, "--images", 16)
    succeed("export", "--store", folder)
    succeed("gate", "--store", folder, "--csv", csv, "--precision", "int8")
    return folder


def carried(store: Path) -> tuple[dict[str, str], set[str]]:
    succeed("archive", "--store", store)
    with zipfile.ZipFile(store / "deepfake.mar") as archive:
        return json.loads(archive.read("precisions.json")), set(archive.namelist())


def test_int8_judges_and_explains_as_fp32_does(quantized_store: Path) -> None:
    images = normalise(torch.from_numpy(sample_images()[:3]))
    full = load(quantized_store / "deepfake.pt", "fp32", torch.device("cpu"))
    int8 = load(quantized_store / "deepfake.int8.pt", "int8", torch.device("cpu"))
    probability, feature_map, gradient = int8.explain(images)
    expected, expected_map, expected_gradient = full.explain(images)
    assert probability.tolist() == pytest.approx(expected.tolist(), abs=0.05)
    with torch.no_grad():
        assert int8(images).tolist() == pytest.approx(probability.tolist(), abs=1e-5)
    for one, other in ((feature_map, expected_map), (gradient, expected_gradient)):
        assert torch.cosine_similarity(one.flatten(1), other.flatten(1)).min() > 0.95


def test_export_of_int8_is_reproducible(quantized_store: Path) -> None:
    images = normalise(torch.from_numpy(sample_images()[:2]))
    device = torch.device("cpu")
    first = load(quantized_store / "deepfake.int8.pt", "int8", device)(images)
    succeed("export", "--store", quantized_store)
    assert torch.equal(load(quantized_store / "deepfake.int8.pt", "int8", device)(images), first)


def test_archive_carries_what_passed_and_only_that(quantized_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(quantized_store, store)
    known = json.loads((store / "precisions.json").read_text())
    for verdict in (True, False):
        known["compared"]["int8"]["passed"] = verdict
        (store / "precisions.json").write_text(json.dumps(known))
        files, names = carried(store)
        assert files == ({"int8": "deepfake.int8.pt"} if verdict else {})
        assert ("deepfake.int8.pt" in names) == verdict


def test_ranges_and_figures_of_other_weights_count_for_nothing(quantized_store: Path, tmp_path: Path) -> None:
    for name in ("model.json", "precisions.json", "deepfake.int8.safetensors"):
        shutil.copy(quantized_store / name, tmp_path)
    assert read_calibration(tmp_path)
    write_card(read_card(tmp_path) | {"weights_sha256": "0" * 64}, tmp_path)
    assert read_calibration(tmp_path) is None
    assert passed(tmp_path) == []


def test_quantizing_anew_forgets_the_old_figures(quantized_store: Path, csv: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(quantized_store, store)
    succeed("quantize", "--store", store, "--csv", csv, "--images", 2)
    assert json.loads((store / "precisions.json").read_text())["compared"] == {}


def test_comparison_is_written_for_every_split(quantized_store: Path) -> None:
    compared = json.loads((quantized_store / "precisions.json").read_text())["compared"]["int8"]
    images = {name: each["images"] for name, each in compared["splits"].items()}
    assert images == {"test/drawn": 8, "val": 12}


def test_the_int8_module_is_evaluated_as_the_gate_compared_it(
    quantized_store: Path, csv: Path, tmp_path: Path
) -> None:
    compared = json.loads((quantized_store / "precisions.json").read_text())["compared"]["int8"]
    int8 = quantized_store / "deepfake.int8.pt"
    succeed("evaluate", int8, "--csv", csv, "--split", "val", "--out", tmp_path, "--workers", 0)
    overall = json.loads((tmp_path / "metrics.json").read_text())["splits"]["val"]["overall"]
    val = compared["splits"]["val"]
    assert [overall["roc_auc"], overall["accuracy"]] == pytest.approx([val["auc"][1], val["accuracy"][1]])


@pytest.mark.parametrize(
    ("moved", "changed", "verdict"),
    [
        ({}, 0, True),
        # One label in 300 changes: a third of a point, and ranks hardly move.
        ({0: 0.499}, 1, True),
        # Six labels: two points.
        (dict.fromkeys(range(6), 0.499), 6, False),
        # No label changes, but the surest real images become the least sure.
        (dict.fromkeys(range(100, 150), 0.5), 0, False),
    ],
)
def test_gate_refuses_what_costs_too_much(moved: dict[int, float], changed: int, verdict: bool) -> None:
    label = np.arange(300) < 150
    reference = np.where(label, 0.7, 0.3) + np.linspace(-0.19, 0.19, 300)
    reference[:10] = 0.501
    reference[150:200] = 0.69
    other = reference.copy()
    for index, probability in moved.items():
        other[index] = probability
    frame = pd.DataFrame({"split": "val", "label": label.astype(int)})
    compared = compare(frame, reference, other)
    assert compared["passed"] == verdict
    [split] = compared["splits"].values()
    assert split["changed"] == changed
    if changed:
        assert split["changed_distance"] == pytest.approx([0.001, 0.001])


@pytest.mark.parametrize(("more_wrong", "verdict"), [(6, True), (7, False)])
def test_half_a_point_is_allowed_and_no_image_more(more_wrong: int, verdict: bool) -> None:
    reference = np.full(1200, 0.501)
    reference[:255] = 0.499  # 945 of 1,200 are right
    other = reference.copy()
    other[600 : 600 + more_wrong] = 0.499
    frame = pd.DataFrame({"split": "val", "label": np.ones(1200, dtype=int)})
    assert compare(frame, reference, other)["passed"] == verdict


def test_gate_judges_every_split_by_itself() -> None:
    frame = pd.DataFrame({"split": ["val"] * 4 + ["test/a"] * 4, "label": [0, 1] * 4})
    good = np.array([0.1, 0.9] * 4)
    bad = good.copy()
    bad[4] = 0.9
    compared = compare(frame, good, bad)
    assert compared["splits"]["val"]["passed"]
    assert not compared["splits"]["test/a"]["passed"]
    assert not compared["passed"]


def test_documentation_shows_the_stored_figures() -> None:
    compared = json.loads((ROOT / "model_store/precisions.json").read_text())["compared"]
    text = (ROOT / "docs/serving.md").read_text()
    for comparison in compared.values():
        for row in table(comparison):
            assert f"| {' | '.join(row)} |" in text
