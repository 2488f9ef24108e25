"""Whether faces are found where they are, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from handler.faces import FaceCounter
from handler.preprocessing import decode, resize
from tests.support import CHINA, FLOWER, shared
from training.archive import face_detector
from training.drawings import drawings


@pytest.fixture(scope="module")
def count() -> FaceCounter:
    return FaceCounter(face_detector())


def faces(number: int) -> list[NDArray[np.uint8]]:
    paths = sorted(shared("data/faces/val/real").glob("dfdc_*"))[:number]
    return [resize(decode(path.read_bytes())) for path in paths]


def test_every_face_is_counted(count: FaceCounter) -> None:
    four = faces(4)
    assert [count(each) for each in four] == [1, 1, 1, 1]
    rows = [np.hstack(four[:2]), np.hstack(four[2:])]
    assert count(resize(np.vstack(rows))) == 4


@pytest.mark.parametrize("photograph", [CHINA, FLOWER], ids=["china", "flower"])
def test_a_photograph_without_people_has_no_face(count: FaceCounter, photograph: Path) -> None:
    assert count(resize(decode(photograph.read_bytes()))) == 0


@pytest.mark.parametrize("kind", drawings())
def test_a_picture_without_a_face_has_none(count: FaceCounter, kind: str) -> None:
    assert {count(resize(picture)) for picture in drawings()[kind]} == {0}
