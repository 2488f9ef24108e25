"""Figures, calibration and the model card."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.training.conftest import invoke, succeed
from training.calibrate import certainty_levels, platt
from training.checkpoint import restore
from training.data import DataError
from training.metrics import calibration_error, evaluate
from training.store import load


def test_figures_of_a_known_case() -> None:
    scored = pd.DataFrame(
        {
            "label": [0, 0, 0, 1, 1, 1],
            "source": ["web", "web", "gan", "web", "web", "web"],
            "probability": [0.1, 0.6, 0.2, 0.9, 0.8, 0.4],
        }
    )
    found = evaluate(scored)
    overall = found["overall"]
    assert overall["images"] == {"real": 3, "fake": 3}
    assert overall["confusion"] == [[2, 1], [1, 2]]
    for name in ("accuracy", "accuracy_real", "accuracy_fake", "precision", "recall", "f1"):
        assert overall[name] == pytest.approx(2 / 3)
    assert overall["roc_auc"] == pytest.approx(8 / 9)
    assert found["sources"]["gan"]["accuracy_fake"] == 1
    assert found["sources"]["gan"]["accuracy_real"] is None
    assert found["sources"]["gan"]["roc_auc"] is None
    assert found["sources"]["web"]["roc_auc"] == pytest.approx(5 / 6)


def test_calibration_error_is_the_gap_between_given_and_observed() -> None:
    label = np.array([1, 0, 0, 0, 1, 1])
    probability = np.array([0.75, 0.75, 0.75, 0.75, 1.0, 1.0])
    assert calibration_error(label, probability) == pytest.approx(4 / 6 * 0.5)


def test_platt_scaling_finds_the_scale_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 20_000)
    label = (rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logit - 0.3)))).astype(np.int64)
    scale, bias = platt(logit, label)
    assert scale == pytest.approx(0.5, abs=0.05)
    assert bias == pytest.approx(-0.3, abs=0.05)
    with pytest.raises(DataError, match="ranks real images below"):
        platt(-logit, label)


def test_levels_keep_what_their_names_promise() -> None:
    rng = np.random.default_rng(1)
    probability = rng.random(5000)
    label = (rng.random(5000) < probability).astype(np.int64)
    high, moderate, low = certainty_levels(probability, label)
    assert [high["name"], moderate["name"], low["name"]] == ["high", "moderate", "low"]
    assert 1 > high["confidence_from"] > moderate["confidence_from"] > low["confidence_from"] == 0.5
    assert high["observed_error"] <= 0.05 < low["observed_error"]
    assert moderate["observed_error"] <= 0.15
    assert sum(level["share_of_images"] for level in (high, moderate, low)) == pytest.approx(1, abs=0.001)


def test_levels_are_honest_where_the_target_is_out_of_reach() -> None:
    rng = np.random.default_rng(2)
    high, _, _ = certainty_levels(rng.random(2000), rng.integers(0, 2, 2000))
    assert high["observed_error"] > 0.05


def test_levels_that_too_few_images_support_are_left_out() -> None:
    [low] = certainty_levels(np.array([0.01, 0.99, 0.98]), np.array([0, 1, 1]))
    assert (low["name"], low["confidence_from"], low["observed_error"]) == ("low", 0.5, 0)


def test_calibrate_puts_the_checkpoint_into_the_store(
    csv: Path, cache: Path, run: Path, tmp_path: Path
) -> None:
    arguments = [run / "best.ckpt", "--csv", csv, "--cache", cache, "--store", tmp_path, "--version", "7.2"]
    succeed("calibrate", *arguments)
    detector, card = load(tmp_path)
    trained, saved = restore(run / "best.ckpt")
    for name, tensor in trained.state_dict().items():
        assert torch.allclose(detector.state_dict()[name], tensor, rtol=1e-3, atol=1e-7), name
    assert card["version"] == "7.2"
    assert detector.scale.item() == pytest.approx(card["calibration"]["scale"])
    assert card["training"]["history"] == saved["history"]
    assert [level["name"] for level in card["certainty"]] == ["low"]


def test_evaluation_of_a_checkpoint_a_module_and_an_archive(
    csv: Path, run: Path, store: Path, tmp_path: Path
) -> None:
    found = {}
    for model in (run / "best.ckpt", store / "deepfake.pt", store / "deepfake.mar"):
        out = tmp_path / model.name
        output = succeed(
            "evaluate", model, "--csv", csv, "--split", "test", "--out", out, "--workers", 0
        ).output
        assert "test/drawn" in output
        found[model.suffix] = json.loads((out / "metrics.json").read_text())["splits"]["test/drawn"]
        for plot in ("roc", "reliability", "contact-sheet"):
            assert (out / "test/drawn" / f"{plot}.png").stat().st_size > 1000
    assert found[".pt"] == found[".mar"]
    assert found[".ckpt"]["overall"]["roc_auc"] == pytest.approx(found[".pt"]["overall"]["roc_auc"], abs=0.07)
    assert found[".pt"]["overall"]["accuracy"] > 0.8
    assert found[".pt"]["overall"]["images"] == {"real": 4, "fake": 4}


def test_card_holds_the_measured_figures(csv: Path, store: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(store, tmp_path / "store")
    out = tmp_path / "evaluation"
    arguments = ["card", "--store", mine, "--csv", csv, "--evaluation", out]
    assert "python -m training evaluate" in invoke(*arguments).output
    succeed("evaluate", mine / "deepfake.pt", "--csv", csv, "--split", "val", "--out", out, "--workers", 0)
    succeed(*arguments)
    card = json.loads((mine / "model.json").read_text())
    text = (mine / "MODEL_CARD.md").read_text()
    assert card["metrics"]["val"]["overall"]["images"] == {"real": 6, "fake": 6}
    assert f"{card['metrics']['val']['overall']['calibration_error']:.3f}" in text
    assert card["weights_sha256"] in text
    assert "non-commercial" in text.split("\n\n")[1]
    assert "$" not in text


def test_calibrate_says_when_there_is_no_checkpoint(csv: Path, tmp_path: Path) -> None:
    result = invoke("calibrate", tmp_path / "best.ckpt", "--csv", csv, "--store", tmp_path)
    assert result.exit_code == 1
    assert "python -m training train" in result.output


def test_unknown_splits_are_refused(csv: Path, store: Path) -> None:
    result = invoke("evaluate", store / "deepfake.pt", "--csv", csv, "--split", "web")
    assert result.exit_code == 1
    assert "no rows of split 'web'" in " ".join(result.output.split())
