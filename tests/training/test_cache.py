"""Augmentation and the feature cache."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.augment import augment
from training.cache import Cache
from training.cache_entry import Entry
from training.data import DataError, Images, read_csv, sample
from training.hyperparameters import Augmentation
from training.model import Detector, imagenet_backbone


@pytest.fixture(scope="module")
def detector(backbone: Path) -> Detector:
    return Detector(imagenet_backbone(backbone), (8,), 0.5).eval()


def make(folder: Path, calls: list[int] | None = None) -> Cache:
    def progress(_name: str, done: int, _total: int) -> None:
        if calls is not None:
            calls.append(done)

    return Cache(folder, torch.device("cpu"), bf16=False, workers=0, batch_size=2, progress=progress)


def images(csv: Path, augmentation: Augmentation = "recipe", view: int = 0, rows: int = 4) -> Images:
    return Images(read_csv(csv, "train")[:rows], augmentation, seed=1, view=view)


@pytest.mark.parametrize("kind", ["recipe", "robust", "moderate", "strong"])
def test_augmentation_changes_images_and_follows_its_seed(csv: Path, kind: Augmentation) -> None:
    first, again, other = images(csv, kind), images(csv, kind), images(csv, kind, view=1)
    plain = images(csv, "none")
    for index in range(4):
        pixels = first[index][0]
        assert pixels.shape == (224, 224, 3)
        assert pixels.dtype == torch.uint8
        assert torch.equal(pixels, again[index][0])
        assert not torch.equal(pixels, other[index][0])
        assert not torch.equal(pixels, plain[index][0])


@pytest.mark.parametrize(("kind", "most"), [("robust", 30), ("moderate", 70), ("strong", 70)])
def test_augmentation_keeps_the_picture(csv: Path, kind: Augmentation, most: float) -> None:
    pixels = images(csv, "none")[0][0].numpy()
    for seed in range(40):
        changed = augment(pixels, kind, np.random.default_rng(seed))
        assert changed.shape == pixels.shape
        assert changed.dtype == np.uint8
        assert abs(float(changed.mean()) - float(pixels.mean())) < most


def test_cached_features_are_the_networks(detector: Detector, csv: Path, tmp_path: Path) -> None:
    from handler.preprocessing import normalise

    data = images(csv)
    batch = normalise(torch.stack([data[index][0] for index in range(len(data))]))
    with torch.no_grad():
        maps = detector.advance(batch, "image", "layer3").permute(0, 2, 3, 1).numpy()
        pooled = detector.advance(batch, "image", "pooled").numpy()
    straight = make(tmp_path / "straight").load(detector, "pooled", data)
    np.testing.assert_allclose(straight, pooled, rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(
        make(tmp_path / "by").load(detector, "layer3", data), maps, rtol=5e-3, atol=1e-3
    )
    through_maps = make(tmp_path / "by").load(detector, "pooled", data)
    np.testing.assert_allclose(through_maps, pooled, rtol=2e-2, atol=1e-3)


def test_nothing_is_computed_twice_and_everything_that_changed_is(
    detector: Detector, backbone: Path, csv: Path, tmp_path: Path
) -> None:
    calls: list[int] = []
    cache = make(tmp_path, calls)
    cache.load(detector, "pooled", images(csv))
    assert calls == [2, 4]
    cache.load(detector, "pooled", images(csv))
    assert calls == [2, 4]
    cache.load(detector, "pooled", images(csv, view=1))
    cache.load(detector, "pooled", images(csv, "robust"))
    cache.load(detector, "pooled", images(csv, rows=3))
    other = Detector(imagenet_backbone(backbone), (8,), 0.5)
    torch.nn.init.ones_(other.layer4[2].bn3.weight)
    cache.load(other, "pooled", images(csv))
    assert calls == [2, 4, *[2, 4], *[2, 4], *[2, 3], *[2, 4]]


def test_an_interrupted_cache_is_completed(detector: Detector, csv: Path, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole").load(detector, "pooled", images(csv))
    calls: list[int] = []
    cache = make(tmp_path / "parts", calls)
    cache.load(detector, "pooled", images(csv))
    [entry] = (Entry(path, (4, 2048)) for path in (tmp_path / "parts").iterdir())
    memory = entry.open()
    memory[2:] = 0
    memory.flush()
    entry.mark(2)
    resumed = cache.load(detector, "pooled", images(csv))
    assert calls == [2, 4, 4]
    np.testing.assert_array_equal(resumed, whole)


def test_a_disk_that_is_too_small_is_noticed_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--no-cache"):
        Entry(tmp_path / "huge", (10**10, 14, 14, 1024)).open()


def test_sample_takes_so_many_of_each_source_and_class(csv: Path) -> None:
    frame = read_csv(csv, "train")
    few = sample(frame, 5, seed=0)
    assert few.groupby(["label", "source"]).size().tolist() == [5, 5]
    assert few["path"].tolist() == sorted(few["path"])
    assert sample(frame, None, seed=0).equals(frame)
