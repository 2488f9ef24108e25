"""Figures, calibration and the model card."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from tests.training.conftest import draw, invoke, photograph, succeed
from training.calibrate import certainty_levels, fair_bias, platt
from training.checkpoint import restore
from training.data import DataError
from training.drawings import drawings
from training.intervals import intervals
from training.metrics import calibration_error, evaluate, source_aucs
from training.shortcuts import shortcuts
from training.store import load
from training.stress import CHANGES, Changed


def test_shortcuts_name_what_tells_the_classes_apart(tmp_path: Path) -> None:
    rows = []
    for seed in range(8):
        draw(tmp_path / f"real/{seed}.png", 0, seed)
        image = cv2.imread(str(tmp_path / f"real/{seed}.png"))
        assert image is not None
        # Under a grid, and as fakes the same pictures without it.
        assert cv2.imwrite(str(tmp_path / f"{seed}.png"), cv2.GaussianBlur(image, (0, 0), 6))
        rows += [(f"{tmp_path}/real/{seed}.png", 1, "web"), (f"{tmp_path}/{seed}.png", 0, "soft")]
    frame = pd.DataFrame(rows, columns=["path", "label", "source"]).assign(split="train")
    found = shortcuts(frame, "none")
    assert found.loc["sharpness", "all"] == 1
    assert found.loc["sharpness", "soft"] == 1
    assert found.loc["brightness", "all"] == pytest.approx(0.5, abs=0.15)
    frame.to_csv(tmp_path / "data.csv", index=False)
    shown = succeed("shortcuts", "--csv", tmp_path / "data.csv", "--per-source", 5).output
    assert "train, 10 images, none" in shown
    assert "1.00" in shown


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


def test_intervals_hold_the_figure_and_narrow_with_more_images() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for size in (200, 3200):
        label = rng.integers(0, 2, size)
        probability = np.clip(rng.normal(0.4 + 0.2 * label, 0.15), 0, 1).round(2)
        scored = pd.DataFrame({"label": label, "source": "web", "probability": probability})
        found = evaluate(scored)["overall"]
        for name in ("accuracy", "roc_auc"):
            low, high = found["intervals"][name]
            assert low < found[name] < high
        widths.append(np.ptp(found["intervals"]["roc_auc"]))
        assert evaluate(scored)["overall"]["intervals"] == found["intervals"]
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)


def test_intervals_of_one_class_and_of_perfect_answers() -> None:
    label = np.array([1] * 30)
    assert set(intervals(label, np.full(30, 0.9))) == {"accuracy"}
    both = intervals(np.array([0, 1] * 30), np.array([0.1, 0.8] * 30))
    assert both == {"accuracy": (1.0, 1.0), "roc_auc": (1.0, 1.0)}
    assert intervals(np.array([0, 1] * 30), np.full(60, 0.5))["roc_auc"] == (0.5, 0.5)


def test_interval_covers_the_true_auc_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(4)
    label = np.repeat([0, 1], 60)
    # Normal scores one standard deviation apart: the AUC is the normal distribution function of 1 / sqrt(2).
    truth, hits = 0.7602, 0
    for _ in range(60):
        low, high = intervals(label, rng.normal(label, 1.0))["roc_auc"]
        hits += low <= truth <= high
    assert 52 <= hits <= 60


def test_abstaining_from_the_least_certain_leaves_fewer_errors() -> None:
    scored = pd.DataFrame({"label": [0, 0, 1, 1], "source": "web", "probability": [0.05, 0.6, 0.9, 0.55]})
    rows = {row["coverage"]: row for row in evaluate(scored)["abstention"]}
    assert rows[1.0]["error"] == 0.25
    assert rows[1.0]["confidence_from"] == 0.55
    assert rows[0.5]["error"] == 0
    assert rows[0.5]["confidence_from"] == 0.9
    assert rows[0.75]["error"] == pytest.approx(1 / 3, abs=1e-4)


def test_a_source_of_one_class_is_ranked_against_the_other_class() -> None:
    scored = pd.DataFrame(
        {
            "label": [0, 1, 0, 1, 1],
            "source": ["video", "video", "gan", "portrait", "portrait"],
            "probability": [0.2, 0.7, 0.5, 0.4, 0.8],
        }
    )
    overall, each = source_aucs(scored)
    assert overall == pytest.approx(5 / 6)
    assert each == pytest.approx({"video": 1.0, "gan": 2 / 3, "portrait": 3 / 4})


def test_platt_scaling_finds_the_scale_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 20_000)
    label = (rng.random(20_000) < 1 / (1 + np.exp(-(0.5 * logit - 0.3)))).astype(np.int64)
    scale, bias = platt(logit, label)
    assert scale == pytest.approx(0.5, abs=0.05)
    assert bias == pytest.approx(-0.3, abs=0.05)
    with pytest.raises(DataError, match="ranks real images below"):
        platt(-logit, label)


def test_the_bias_moves_no_further_than_a_fair_verdict_needs() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([1, 0], [300, 700])
    logit = np.where(label == 1, rng.normal(2, 3, 1000), rng.normal(-1, 1, 1000))

    def difference(bias: float) -> float:
        real = 2 * logit + bias >= 0
        return abs(float(real[label == 1].mean()) - float((~real)[label == 0].mean()))

    assert difference(3.0) > 0.2
    loose, tight, none = (fair_bias(logit, label, 2.0, 3.0, gap) for gap in (0.1, 0.02, 0.0))
    assert difference(loose) == pytest.approx(0.1, abs=0.01)
    assert difference(tight) == pytest.approx(0.02, abs=0.01)
    assert difference(none) < 0.005
    assert 3.0 > loose > tight > none
    assert fair_bias(logit, label, 2.0, 3.0, 1.0) == 3.0


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
    assert not detector.flip
    succeed("calibrate", *arguments, "--flip", "--workers", 0)
    detector, flipped = load(tmp_path)
    assert detector.flip
    assert flipped["calibration"]["scale"] != card["calibration"]["scale"]


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
        for plot in ("roc", "reliability", "abstention", "contact-sheet"):
            assert (out / "test/drawn" / f"{plot}.png").stat().st_size > 1000
    assert found[".pt"] == found[".mar"]
    assert found[".ckpt"]["overall"]["roc_auc"] == pytest.approx(found[".pt"]["overall"]["roc_auc"], abs=0.07)
    assert found[".pt"]["overall"]["accuracy"] > 0.8
    assert found[".pt"]["overall"]["images"] == {"real": 4, "fake": 4}


def test_stress_measures_lost_detail_and_pictures_without_a_face(
    csv: Path, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "evaluation"
    mine = shutil.copytree(store, tmp_path / "store")
    arguments = ["--csv", csv, "--split", "test", "--out", out, "--workers", 0]
    succeed("evaluate", mine / "deepfake.pt", *arguments, "--stress", 2)
    measured = json.loads((out / "metrics.json").read_text())
    clean, *changed = measured["stress"]["robustness"]["test/drawn"]
    assert clean["change"] == "unchanged"
    assert len(changed) == 12
    assert all(row["loss"] == pytest.approx(clean["roc_auc"] - row["roc_auc"]) for row in changed)
    assert {row["change"]: row["bar"] for row in changed if row["bar"]} == {
        "JPEG quality 50": 0.05,
        "resolution 0.5": 0.05,
        "blur sigma 2": 0.08,
        "noise sigma 5": 0.08,
    }
    assert (out / "robustness.png").stat().st_size > 1000
    kinds = {row["kind"]: row for row in measured["stress"]["non_faces"]}
    assert {"blank", "shapes", "text", "noise"} < set(kinds)
    assert all(row["images"] == 8 and 0 <= row["called_real"] <= 1 for row in kinds.values())
    succeed("card", "--store", mine, "--csv", csv, "--evaluation", out)
    text = (mine / "MODEL_CARD.md").read_text()
    assert f"| blur sigma 2 | {changed[7]['roc_auc']:.3f} ({changed[7]['loss']:+.3f}) | 0.08 |" in text
    assert f"| blank | 8 | {kinds['blank']['called_real']:.0%} |" in text
    low, high = measured["splits"]["test/drawn"]["overall"]["intervals"]["roc_auc"]
    assert f"({low:.3f} to {high:.3f})" in text


def test_drawings_are_pictures_of_their_own() -> None:
    made = [picture for pictures in drawings().values() for picture in pictures]
    assert len({picture.tobytes() for picture in made}) == len(made) == 48
    assert all(picture.shape == (256, 256, 3) for picture in made)


def test_a_changed_image_lost_what_its_change_takes(tmp_path: Path) -> None:
    path = photograph(tmp_path / "photograph.png")
    frame = pd.DataFrame({"path": [str(path)], "label": [1], "source": ["web"]})
    plain = Changed(frame, None)[0][0].numpy().astype(int)
    differences: dict[str, list[float]] = {}
    for change in CHANGES:
        pixels = Changed(frame, change)[0][0].numpy()
        assert pixels.shape == (224, 224, 3)
        differences.setdefault(change.family, []).append(float(np.abs(pixels - plain).mean()))
    for family, values in differences.items():
        assert values == sorted(values), family
        assert values[0] > 0.3, family


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
