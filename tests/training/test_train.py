"""Training: it learns, it goes on where it stopped, and the cache changes the time and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import Result

from tests.support import ROOT
from tests.training.conftest import invoke, succeed
from training.checkpoint import read


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def arguments(csv: Path, backbone: Path, cache: Path, run: Path, epochs: int, *more: object) -> list[object]:
    common = ["--csv", csv, "--backbone", backbone, "--cache", cache, "--out", run, "--epochs", epochs]
    return ["train", *common, "--batch-size", 8, "--views", 1, "--workers", 0, *more]


def losses(run: Path) -> list[float]:
    return list(pd.read_csv(run / "metrics.csv")["val_loss"])


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = read(run / "last.ckpt")["weights"]
    return found


def test_learns_and_leaves_its_files(csv: Path, backbone: Path, cache: Path, tmp_path: Path) -> None:
    succeed(*arguments(csv, backbone, cache, tmp_path / "run", 10, "--learning-rate", 0.003))
    history = pd.read_csv(tmp_path / "run/metrics.csv")
    assert history["val_accuracy"].max() > 0.9
    assert (tmp_path / "run/history.png").stat().st_size > 1000
    best = read(tmp_path / "run/best.ckpt")
    assert best["history"][-1]["val_loss"] == pytest.approx(history["val_loss"].min())


def test_resumed_run_equals_an_uninterrupted_one(
    csv: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    succeed(*arguments(csv, backbone, cache, whole, 3))
    succeed(*arguments(csv, backbone, cache, parts, 2))
    succeed(*arguments(csv, backbone, cache, parts, 3, "--resume"))
    assert losses(parts) == losses(whole)
    assert all(
        torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(parts).values(), strict=True)
    )


def test_cached_and_naive_training_agree(csv: Path, backbone: Path, cache: Path, tmp_path: Path) -> None:
    cached, naive = tmp_path / "cached", tmp_path / "naive"
    succeed(*arguments(csv, backbone, cache, cached, 1))
    succeed(*arguments(csv, backbone, cache, naive, 1, "--no-cache"))
    assert losses(cached) == pytest.approx(losses(naive), abs=1e-2)


def test_last_stage_is_trained_only_when_asked(
    csv: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    frozen, unfrozen = tmp_path / "frozen", tmp_path / "unfrozen"
    succeed(*arguments(csv, backbone, cache, frozen, 1))
    succeed(*arguments(csv, backbone, cache, unfrozen, 1, "--unfreeze", "layer4"))
    before = torch.load(backbone, weights_only=True)
    for name, tensor in weights(frozen).items():
        if name.startswith("layer4."):
            assert torch.equal(tensor, before[name])
    after = weights(unfrozen)
    assert not torch.equal(after["layer4.0.conv1.weight"], before["layer4.0.conv1.weight"])
    assert torch.equal(after["layer4.0.bn1.running_mean"], before["layer4.0.bn1.running_mean"])
    assert torch.equal(after["stem.layer3.0.conv1.weight"], before["layer3.0.conv1.weight"])


def test_two_processes_train_one_model(csv: Path, backbone: Path, cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "training", *map(str, arguments(csv, backbone, cache, tmp_path / "run", 2))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Wrote ") == 1
    history = pd.read_csv(tmp_path / "run/metrics.csv")
    assert len(history) == 2
    # The validation figures are of all images, though each process saw half of them.
    assert (history["val_accuracy"] * 12 % 1).round(6).isin([0, 1]).all()


def refusal(result: Result) -> str:
    assert result.exit_code == 1
    return result.output


def test_a_run_is_never_overwritten_nor_continued_as_another(
    csv: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert "is missing" in refusal(invoke(*arguments(csv, backbone, cache, run, 1, "--resume")))
    succeed(*arguments(csv, backbone, cache, run, 1))
    assert "--resume" in refusal(invoke(*arguments(csv, backbone, cache, run, 1)))
    other = arguments(csv, backbone, cache, run, 2, "--resume", "--seed", 5)
    assert "other hyper-parameters" in refusal(invoke(*other))
