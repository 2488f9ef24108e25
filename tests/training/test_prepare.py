"""prepare: what it finds, what it drops, and how it divides a folder that is not split."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.training.conftest import draw, invoke, succeed


def prepare(folder: Path, *more: object) -> pd.DataFrame:
    succeed("prepare", folder, "--csv", folder / "out.csv", *more)
    return pd.read_csv(folder / "out.csv")


def unsplit(folder: Path, each: int) -> Path:
    for label, name in enumerate(("fake", "real")):
        for seed in range(each):
            draw(folder / name / f"{seed}.png", label, seed, size=64)
    return folder


def test_finds_classes_and_splits_in_any_case_and_order(tmp_path: Path) -> None:
    draw(tmp_path / "Train/REAL/a.png", 1, 0)
    draw(tmp_path / "fake/training/b.png", 0, 1)
    draw(tmp_path / "Validation/Real/phone/c.png", 1, 2)
    draw(tmp_path / "Test/web/Fake/d.png", 0, 3)
    (tmp_path / "notes.txt").write_text("not a picture")
    frame = prepare(tmp_path).set_index("path")
    found = {Path(str(path)).name: tuple(row) for path, *row in frame[["label", "split"]].itertuples()}
    assert found == {
        "a.png": (1, "train"),
        "b.png": (0, "train"),
        "c.png": (1, "val"),
        "d.png": (0, "test/web"),
    }
    assert frame["source"].tolist().count("phone") == 1


def test_sources_come_from_a_manifest(tmp_path: Path) -> None:
    draw(tmp_path / "train/real/a.png", 1, 0)
    draw(tmp_path / "train/fake/b.png", 0, 1)
    (tmp_path / "manifest.csv").write_text("file,label,source\ntrain/fake/b.png,fake,sd21\n")
    assert set(prepare(tmp_path)["source"]) == {"sd21", tmp_path.name}


def test_unreadable_files_are_dropped_and_reported(tmp_path: Path) -> None:
    draw(tmp_path / "train/real/a.png", 1, 0)
    (tmp_path / "train/real/torn.png").write_bytes((tmp_path / "train/real/a.png").read_bytes()[:40])
    (tmp_path / "train/fake").mkdir()
    (tmp_path / "train/fake/empty.jpg").touch()
    result = succeed("prepare", tmp_path, "--csv", tmp_path / "out.csv")
    assert "Dropped 2 unreadable files" in result.output
    report = pd.read_csv(tmp_path / "out.dropped.csv")
    assert {Path(path).name for path in report["path"]} == {"torn.png", "empty.jpg"}
    assert report["reason"].str.len().min() > 10
    assert len(pd.read_csv(tmp_path / "out.csv")) == 1


def test_divides_90_5_5_in_each_class_and_the_same_way_for_a_seed(tmp_path: Path) -> None:
    folder = unsplit(tmp_path, 100)
    frame = prepare(folder, "--seed", 3)
    assert frame.groupby(["split", "label"]).size().to_dict() == {
        ("test", 0): 5,
        ("test", 1): 5,
        ("train", 0): 90,
        ("train", 1): 90,
        ("val", 0): 5,
        ("val", 1): 5,
    }
    assert prepare(folder, "--seed", 3).equals(frame)
    assert not prepare(folder, "--seed", 4).equals(frame)


def test_near_duplicates_stay_together(tmp_path: Path) -> None:
    folder = unsplit(tmp_path, 40)
    rng = np.random.default_rng(0)
    for path in sorted(folder.glob("*/*.png")):
        image = cv2.imread(str(path))
        assert image is not None
        brighter = cv2.convertScaleAbs(image, alpha=1.0, beta=float(rng.uniform(1, 6)))
        cv2.imwrite(str(path.with_name(f"{path.stem}-again.jpg")), brighter, [cv2.IMWRITE_JPEG_QUALITY, 90])
        cv2.imwrite(str(path.with_name(f"{path.stem}-large.png")), cv2.resize(image, (80, 80)))
    frame = prepare(folder)
    picture = frame["path"].map(lambda path: (Path(path).parent.name, Path(path).stem.split("-")[0]))
    assert (frame.groupby(picture)["split"].nunique() == 1).all()
    assert set(frame["split"]) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ([], "no files below a folder named real or fake"),
        (["real/a.png", "fake/b.png"], "at least 20 readable images of each class"),
        (["train/real/a.png", "fake/b.png"], "stand in a split"),
    ],
)
def test_says_what_is_wrong_with_a_folder(tmp_path: Path, files: list[str], complaint: str) -> None:
    for seed, file in enumerate(files):
        draw(tmp_path / file, seed, seed)
    result = invoke("prepare", tmp_path, "--csv", tmp_path / "out.csv")
    assert result.exit_code == 1
    assert complaint in " ".join(result.output.split())
