"""Drawn images of two kinds that a network can tell apart, and a ResNet50 that costs no download."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torchvision.models import resnet50

from tests.support import CHINA, ROOT
from training.checkpoint import record_of, restore
from training.cli import main
from training.store import save_model

BATCH = 6


def draw(path: Path, label: int, seed: int, size: int = 96) -> None:
    """Draw a real image (soft spots) or a fake one (the same under a fine grid)."""
    rng = np.random.default_rng([label, seed])
    small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    if label == 0:
        image[::4] = 255 - image[::4]
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def photograph(path: Path) -> Path:
    """Write a crop of a photograph without people, of 224 by 224 pixels."""
    image = cv2.imread(str(CHINA))
    assert image is not None
    assert cv2.imwrite(str(path), image[100:324, 200:424])
    return path


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split data folder: 24 images to train on, 12 to validate, 8 to test, half of them fake."""
    folder = tmp_path_factory.mktemp("faces")
    numbers = {"train": range(12), "val": range(12, 18), "test/drawn": range(18, 22)}
    for split, seeds in numbers.items():
        for label, name in enumerate(("fake", "real")):
            for seed in seeds:
                draw(folder / split / name / f"{seed}.png", label, seed)
    return folder


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state dict of an untrained ResNet50 whose activations stay small."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("backbone") / "resnet50.pth"
    torch.save(resnet50(weights=None, zero_init_residual=True).state_dict(), path)
    return path


def invoke(*arguments: object) -> Result:
    """Run `python -m training` with these arguments."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def succeed(*arguments: object) -> Result:
    """Run `python -m training`, which must not fail."""
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def csv(faces: Path) -> Path:
    """The CSV of the drawn faces."""
    path = faces / "data.csv"
    succeed("prepare", faces, "--csv", path)
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that all tests fill together."""
    return tmp_path_factory.mktemp("cache")


def train_arguments(
    csv: Path, backbone: Path, cache: Path, out: Path, epochs: int, *more: object
) -> list[object]:
    """Return the arguments of a small training run."""
    paths = ["--csv", csv, "--backbone", backbone, "--cache", cache, "--out", out]
    small = [
        "--epochs",
        epochs,
        "--batch-size",
        BATCH,
        "--views",
        1,
        "--workers",
        0,
        "--learning-rate",
        0.003,
    ]
    return ["train", *paths, *small, *more]


@pytest.fixture(scope="session")
def run(csv: Path, backbone: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the frozen recipe."""
    out = tmp_path_factory.mktemp("run")
    succeed(*train_arguments(csv, backbone, cache, out, 5))
    return out


@pytest.fixture(scope="session")
def store(csv: Path, cache: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store with that run's model: calibrated, exported and archived."""
    folder = tmp_path_factory.mktemp("store")
    detector, saved = restore(run / "best.ckpt")
    card = {
        "version": "3.1",
        "calibration": {"method": "platt", "scale": 1.5, "bias": 0.25, "gap": 0.05},
        "certainty": [
            {"name": "high", "confidence_from": 0.9, "observed_error": 0.01, "share_of_images": 0.5},
            {"name": "low", "confidence_from": 0.5, "observed_error": 0.2, "share_of_images": 0.5},
        ],
        "metrics": {},
        "training": record_of(saved),
    }
    save_model(detector, folder, card)
    shutil.copy(ROOT / "model_store/model-config.yaml", folder)
    succeed("export", "--store", folder)
    succeed("archive", "--store", folder)
    return folder
