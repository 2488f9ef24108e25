"""Batches as TorchServe hands them over: every row gets its own answer, whatever its neighbours are."""

import io
import logging
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handler.precision import PrecisionError
from tests.handler.conftest import CARD, Worker
from tests.support import CHINA, FLOWER


def plain(red: int, green: int, blue: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (300, 200), (red, green, blue)).save(data, "PNG")
    return data.getvalue()


WHITE, BLACK, RED = plain(255, 255, 255), plain(0, 0, 0), plain(255, 0, 0)
EXPLAIN, DESCRIBE = {"explain": "True"}, {"describe": "True"}


def test_verdict_has_the_fields_of_the_contract(worker: Worker) -> None:
    [(status, answer)] = worker.handle([{"body": WHITE}])
    assert status == 200
    mean = np.mean((1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]))
    probability = 1 / (1 + math.exp(-4 * mean))
    assert answer == {
        "label": "real",
        "probability_real": pytest.approx(probability, abs=1e-6),
        "confidence": pytest.approx(probability, abs=1e-6),
        "certainty": "high",
        "model": "deepfake",
        "model_version": "1.0",
    }


def test_fake_is_as_confident_as_it_is_not_real(worker: Worker) -> None:
    [(_, answer)] = worker.handle([{"body": BLACK}])
    assert answer["label"] == "fake"
    assert answer["confidence"] == pytest.approx(1 - answer["probability_real"])
    assert answer["certainty"] == "high"


def test_body_and_multipart_field_are_the_same(worker: Worker) -> None:
    data = CHINA.read_bytes()
    rows = [{"body": data}, {"data": data}, {"body": bytearray(data)}, {"data": data, "name": "x"}]
    answers = worker.handle(rows)
    assert answers == [answers[0]] * 4
    assert answers[0][0] == 200


def test_bad_image_does_not_touch_its_neighbours(worker: Worker) -> None:
    rows = [WHITE, b"no image", BLACK, b"", CHINA.read_bytes()[:5000], WHITE]
    answers = worker.handle([{"body": row} for row in rows])
    assert [status for status, _ in answers] == [200, 400, 200, 400, 400, 200]
    assert [answer.get("label") for _, answer in answers] == ["real", None, "fake", None, None, "real"]
    for status, answer in answers:
        if status == 400:
            assert answer["code"] == 400
            assert answer["type"] == "BadImage"
            assert answer["message"]


def test_batch_of_bad_images_only_is_answered(worker: Worker) -> None:
    assert [status for status, _ in worker.handle([{"body": b""}, {}, {"data": "text"}])] == [400] * 3


def test_answer_does_not_depend_on_the_batch(worker: Worker) -> None:
    images = [{"body": path.read_bytes()} for path in (CHINA, FLOWER)]
    together = worker.handle(images)
    alone = [worker.handle([image])[0] for image in images]
    for (_, one), (_, other) in zip(together, alone, strict=True):
        assert one["probability_real"] == pytest.approx(other["probability_real"], abs=1e-5)


def test_explanation_does_not_depend_on_the_batch(worker: Worker) -> None:
    images = [{"body": path.read_bytes()} for path in (CHINA, FLOWER)] + [{"body": BLACK}]
    together = worker.handle(images, [EXPLAIN] * 3)
    alone = [worker.handle([image], [EXPLAIN])[0] for image in images]
    for (_, one), (_, other) in zip(together, alone, strict=True):
        assert one["probability_real"] == pytest.approx(other["probability_real"], abs=1e-5)
        assert np.array(one["heatmap"]["grid"]) == pytest.approx(np.array(other["heatmap"]["grid"]), abs=1e-3)


def test_verdicts_explanations_and_descriptions_share_a_batch(worker: Worker) -> None:
    rows = [{"body": WHITE}, {"body": WHITE}, {}, {"body": b"no image"}, {"body": BLACK}]
    answers = worker.handle(rows, [{}, EXPLAIN, DESCRIBE, EXPLAIN, {"explain": "False"}])
    assert [status for status, _ in answers] == [200, 200, 200, 400, 200]
    (_, verdict), (_, explained), (_, described), _, (_, dark) = answers
    assert {**verdict, "heatmap": explained["heatmap"], "faces": 0} == explained
    assert explained["heatmap"]["method"] == "grad-cam"
    assert described == {"model": "deepfake", "model_version": "1.0", "device": "cpu"} | described
    assert described.items() >= CARD.items()
    assert dark["label"] == "fake"
    assert "heatmap" not in dark


def test_heatmap_shows_the_part_that_speaks_for_the_label(worker: Worker) -> None:
    half = np.zeros((200, 300, 3), np.uint8)
    half[:, 150:] = 255
    for darkening, label, bright_side_is_hot in ((1.0, "real", True), (0.7, "fake", False)):
        data = io.BytesIO()
        Image.fromarray((half * darkening).astype(np.uint8)).save(data, "PNG")
        [(_, answer)] = worker.handle([{"body": data.getvalue()}], [EXPLAIN])
        assert answer["label"] == label
        grid = np.array(answer["heatmap"]["grid"])
        assert grid.shape == (7, 7)
        assert grid.max() == 1
        assert (grid[:, 6].mean() > grid[:, 0].mean()) == bright_side_is_hot


def test_unexpected_failure_fails_one_row_and_is_logged(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"body": WHITE}, {"body": RED}, {"body": BLACK}, {"body": WHITE}]
    with caplog.at_level(logging.ERROR):
        answers = worker.handle(rows, [EXPLAIN, EXPLAIN, EXPLAIN, {}])
    assert [status for status, _ in answers] == [200, 500, 200, 200]
    assert [answer.get("label") for _, answer in answers] == ["real", None, "fake", "real"]
    assert ["heatmap" in answer for _, answer in answers] == [True, False, True, False]
    assert answers[1][1]["type"] == "InternalError"
    assert "red" not in answers[1][1]["message"]
    assert "red" in caplog.text


def test_card_that_covers_no_confidence_fails_only_those_images(archive: Path, tmp_path: Path) -> None:
    for file in archive.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "model.json").unlink()
    (tmp_path / "model.json").write_text('{"certainty": [{"name": "high", "confidence_from": 0.999}]}')
    grey = plain(118, 118, 118)
    worker = Worker(archive)
    [(_, certain), (_, unsure)] = worker.handle([{"body": WHITE}, {"body": grey}])
    assert certain["confidence"] > 0.999 > unsure["confidence"]
    answers = Worker(tmp_path).handle([{"body": WHITE}, {"body": grey}])
    assert [status for status, _ in answers] == [200, 500]


@pytest.mark.parametrize(
    ("grey", "certainty"), [(255, "high"), (131, "moderate"), (118, "low"), (100, "moderate"), (0, "high")]
)
def test_certainty_follows_the_confidence(worker: Worker, grey: int, certainty: str) -> None:
    [(_, answer)] = worker.handle([{"body": plain(grey, grey, grey)}])
    levels = [each["name"] for each in CARD["certainty"] if answer["confidence"] >= each["confidence_from"]]
    assert answer["certainty"] == levels[0] == certainty


def test_threads_are_shared_among_the_workers(archive: Path) -> None:
    cores = Worker(archive).handler.threads
    assert Worker(archive, handler={"threads": 3}).handler.threads == 3
    Worker(archive, handler={"threads": cores})
    assert Worker(archive, maxWorkers=cores).handler.threads == 1


def test_description_says_in_which_precision_the_model_runs_and_why(worker: Worker) -> None:
    [(_, described)] = worker.handle([{}], [DESCRIBE])
    assert described["precision"] == "fp32"
    assert "not int8: " in described["precision_reason"]
    assert 1 <= described["passes"] <= described["threads"]


def test_precision_that_cannot_be_served_stops_the_worker(archive: Path) -> None:
    with pytest.raises(PrecisionError, match=r"passed the comparison|processor"):
        Worker(archive, handler={"precision": "int8"})
