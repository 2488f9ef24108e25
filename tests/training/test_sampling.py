"""Which rows an epoch is made of, and the fakes that are made of real ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DistributedSampler

from tests.training.conftest import photograph
from training.augment import augment
from training.data import DataError, Images, leave_out
from training.distributed import World
from training.fields import mask
from training.hyperparameters import HyperParameters
from training.sampling import Plan
from training.self_made import LEAST_CHANGE, SOURCE, add_fakes, make_fake
from training.targets import soft_targets

CPU = torch.device("cpu")
ALONE = World(0, 1, CPU)


@pytest.fixture
def frame() -> pd.DataFrame:
    """80 real and 20 fake rows: one large and one small source of each class."""
    sources = ["video"] * 70 + ["portrait"] * 10 + ["swap"] * 18 + ["gan"] * 2
    labels = [1] * 80 + [0] * 20
    return pd.DataFrame({"path": [f"{i}.png" for i in range(100)], "label": labels, "source": sources})


def epoch(plan: Plan, number: int) -> list[list[int]]:
    plan.epoch = number
    return list(plan)


def test_every_row_comes_once_in_another_order_each_epoch(frame: pd.DataFrame) -> None:
    plan = Plan(frame, HyperParameters(batch_size=10), ALONE)
    first, second = epoch(plan, 0), epoch(plan, 1)
    for batches in (first, second):
        assert sorted(row for batch in batches for row in batch) == list(range(100))
    assert first != second
    assert first == epoch(plan, 0)
    assert len(plan) == 10


@pytest.mark.parametrize(("size", "images"), [(1, 100), (2, 100), (3, 102)])
def test_processes_share_an_epoch_as_torch_would_divide_it(
    frame: pd.DataFrame, size: int, images: int
) -> None:
    hp = HyperParameters(batch_size=2, seed=6)
    seen = 0
    for rank in range(size):
        rows = [row for batch in epoch(Plan(frame, hp, World(rank, size, CPU)), 3) for row in batch]
        reference = DistributedSampler(frame, size, rank, seed=hp.seed)
        reference.set_epoch(3)
        assert rows == list(reference)
        seen += len(rows)
    assert seen == images


@pytest.mark.parametrize(
    ("balance", "shares"),
    [
        ("sources", {"video": 0.25, "portrait": 0.25, "swap": 0.25, "gan": 0.25}),
        # The roots of 70, 10, 18 and 2, in each class.
        ("root", {"video": 0.363, "portrait": 0.137, "swap": 0.375, "gan": 0.125}),
    ],
)
def test_balance_decides_how_often_sources_come(
    frame: pd.DataFrame, balance: str, shares: dict[str, float]
) -> None:
    hp = HyperParameters.from_dict({"batch_size": 50, "balance": balance})
    plan = Plan(frame, hp, ALONE)
    drawn = [row for number in range(80) for batch in epoch(plan, number) for row in batch]
    found = frame["source"].iloc[drawn].value_counts(normalize=True).to_dict()
    assert found == pytest.approx(shares, abs=0.02)


def test_balance_holds_beside_pairs(frame: pd.DataFrame) -> None:
    rows = add_fakes(frame)
    hp = HyperParameters(batch_size=50, balance="sources", synthetic_fakes=0.4)
    plan = Plan(rows, hp, ALONE)
    drawn = [row for number in range(80) for batch in epoch(plan, number) for row in batch]
    found = rows["source"].iloc[drawn].value_counts(normalize=True).to_dict()
    # Of six in ten a quarter each; of four in ten half are made, and half real, of two sources.
    expected = {"video": 0.25, "portrait": 0.25, "swap": 0.15, "gan": 0.15, SOURCE: 0.2}
    assert found == pytest.approx(expected, abs=0.02)


def test_a_share_of_each_batch_is_pairs(frame: pd.DataFrame) -> None:
    rows = add_fakes(frame)
    assert rows["source"].value_counts()[SOURCE] == 80
    plan = Plan(rows, HyperParameters(batch_size=10, synthetic_fakes=0.4), ALONE)
    batches = epoch(plan, 0)
    assert len(batches) == 10
    for batch in batches:
        made = [row for row in batch if rows["source"][row] == SOURCE]
        assert len(batch) == 10
        assert len(made) == 2
        assert {int(rows["origin"][row]) for row in made} <= set(batch)
        assert all(rows["label"][row] == 0 for row in made)
        assert all(rows["label"][rows["origin"][row]] == 1 for row in made)


def test_a_fake_is_augmented_as_its_original(tmp_path: Path) -> None:
    path = photograph(tmp_path / "photograph.png")
    rows = add_fakes(pd.DataFrame({"path": [str(path)], "label": [1], "source": ["video"]}))
    for view in range(3):
        real, fake = (Images(rows, "strong", seed=4, view=view)[row][0].numpy() for row in (0, 1))
        plain = Images(rows, "none", seed=4, view=view)[1][0].numpy()
        expected = augment(plain, "strong", np.random.default_rng([4, view, 0]))
        assert np.array_equal(fake, expected)
        assert not np.array_equal(fake, real)
    again = Images(rows, "strong", seed=4, view=2)[1][0].numpy()
    assert np.array_equal(fake, again)


def test_a_square_is_part_of_the_augmented_image_and_the_same_of_its_fake(tmp_path: Path) -> None:
    path = photograph(tmp_path / "photograph.png")
    rows = add_fakes(pd.DataFrame({"path": [str(path)], "label": [1], "source": ["video"]}))
    places = set()
    for view in range(4):
        whole = [Images(rows, "strong", seed=4, view=view)[row][0].numpy() for row in (0, 1)]
        parts = [Images(rows, "strong", seed=4, view=view, crop=64)[row][0].numpy() for row in (0, 1)]
        found = [
            (y, x)
            for y in range(224 - 64 + 1)
            for x in range(224 - 64 + 1)
            if np.array_equal(whole[0][y : y + 64, x : x + 64], parts[0])
        ]
        assert len(found) == 1
        y, x = found[0]
        assert np.array_equal(whole[1][y : y + 64, x : x + 64], parts[1])
        places.add((y, x))
    assert len(places) == 4


def test_fakes_differ_visibly_and_remain_the_same_picture(tmp_path: Path) -> None:
    path = photograph(tmp_path / "photograph.png")
    pixels = Images(pd.DataFrame({"path": [str(path)], "label": [1], "source": ["video"]}))[0][0].numpy()
    before = pixels.copy()
    for seed in range(40):
        fake = make_fake(pixels, np.random.default_rng(seed))
        difference = np.abs(fake.astype(int) - pixels).mean()
        assert fake.shape == pixels.shape
        assert fake.dtype == np.uint8
        assert LEAST_CHANGE <= difference < 40
    assert np.array_equal(pixels, before)


def test_masks_lie_on_the_face_and_are_soft() -> None:
    centres = []
    for seed in range(60):
        blob = mask(224, 200, np.random.default_rng(seed))[:, :, 0]
        assert 0.1 < blob.max() <= 1
        assert blob.min() == pytest.approx(0, abs=1e-3)
        assert blob[[0, -1]].mean() < 0.1
        assert blob.mean() < 0.6
        y, x = np.mgrid[0:224, 0:200]
        centres.append(((blob * x).sum() / blob.sum() / 200, (blob * y).sum() / blob.sum() / 224))
    assert np.mean(centres, axis=0) == pytest.approx((0.5, 0.52), abs=0.03)
    assert np.ptp(centres, axis=0).max() < 0.6


@pytest.mark.parametrize("balance", ["none", "sources"])
def test_what_is_left_out_is_not_drawn_and_no_fakes_are_made_of_it(frame: pd.DataFrame, balance: str) -> None:
    values = {"batch_size": 10, "leave_out": ["portrait"], "synthetic_fakes": 0.4, "balance": balance}
    rows = add_fakes(frame)
    plan = Plan(rows, HyperParameters.from_dict(values), ALONE)
    drawn = [row for number in range(20) for batch in epoch(plan, number) for row in batch]
    assert set(rows.loc[drawn, "source"]) == {"video", "swap", "gan", "self-made"}
    assert set(rows.loc[rows.loc[drawn, "origin"], "source"]) == {"video", "swap", "gan"}
    assert len(plan) == 9


def test_sources_are_left_out_by_name(frame: pd.DataFrame) -> None:
    split = frame.assign(split="train")
    kept, left = leave_out(split, ("gan",))
    assert set(left["source"]) == {"gan"}
    assert set(kept["source"]) == {"video", "portrait", "swap"}
    with pytest.raises(DataError, match="no images of source moon"):
        leave_out(split, ("moon",))
    with pytest.raises(DataError, match="no images of one class"):
        leave_out(split, ("gan", "swap"))
    assert len(leave_out(split, ())[0]) == len(split)


def test_a_teacher_says_nothing_of_fakes_that_are_made_on_the_way(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    teacher = tmp_path / "probabilities.csv"
    frame.assign(probability=0.5).to_csv(teacher, index=False)
    hp = HyperParameters(label_smoothing=0.2, teacher=str(teacher), teacher_share=0.25)
    targets = soft_targets(add_fakes(frame), hp).tolist()
    assert targets[:80] == pytest.approx([0.75 * 0.9 + 0.25 * 0.5] * 80)
    assert targets[80:100] == pytest.approx([0.75 * 0.1 + 0.25 * 0.5] * 20)
    assert targets[100:] == pytest.approx([0.1] * 80)
