"""TorchServe's ways to fail, each with its meaning; and the inference key, which is never stale."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from portal.config import Settings
from portal.inference import BadAnswer, BadImage, Inference, InferenceError, Unavailable
from tests.portal.conftest import PHOTOGRAPH, VERDICT, FakeServing


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/never-opened.db"


@pytest.fixture
def client(settings: Settings, serving: FakeServing) -> Inference:
    return Inference(settings, serving.transport)


def test_a_verdict_is_read(client: Inference) -> None:
    verdict = client.judge(PHOTOGRAPH)
    assert (verdict.label, verdict.probability_real, verdict.certainty) == ("fake", 0.031, "high")
    assert verdict.heatmap == [[0.0, 0.5], [1.0, 0.25]]
    assert verdict.faces == 1


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "BadImage", BadImage),
        (400, "BadRequestException", BadAnswer),
        (401, "", BadAnswer),
        (404, "ModelNotFoundException", Unavailable),
        (405, "MethodNotAllowedException", BadAnswer),
        (408, "", Unavailable),
        (413, "", BadAnswer),
        (429, "", Unavailable),
        (500, "InternalServerException", BadAnswer),
        (502, "", Unavailable),
        (503, "ServiceUnavailableException", Unavailable),
        (504, "", Unavailable),
        (507, "", Unavailable),
        (302, "", BadAnswer),
    ],
)
def test_every_status_has_its_meaning(
    client: Inference, serving: FakeServing, status: int, kind: str, error: type[InferenceError]
) -> None:
    serving.fail(status, kind, "the reason")
    with pytest.raises(error, match="the reason"):
        client.judge(PHOTOGRAPH)


def every_httpx_error(kind: type[Exception] = httpx.HTTPError) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from every_httpx_error(child)


@pytest.mark.parametrize("kind", sorted(set(every_httpx_error()) - {httpx.HTTPStatusError}, key=str))
def test_every_exception_of_httpx_is_translated(
    client: Inference, serving: FakeServing, kind: type[Exception]
) -> None:
    serving.refuse(kind("the reason"))
    with pytest.raises((Unavailable, BadAnswer), match="the reason"):
        client.judge(PHOTOGRAPH)


@pytest.mark.parametrize(
    "kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.RemoteProtocolError]
)
def test_a_server_that_is_away_is_tried_later(
    client: Inference, serving: FakeServing, kind: type[Exception]
) -> None:
    serving.refuse(kind("away"))
    with pytest.raises(Unavailable):
        client.judge(PHOTOGRAPH)


@pytest.mark.parametrize(
    "change",
    [
        {"label": "perhaps"},
        {"probability_real": 1.2},
        {"probability_real": None},
        {"confidence": "much"},
        {"heatmap": None},
        {"heatmap": {"grid": []}},
        {"heatmap": {"grid": [[0.1], [0.1, 0.2]]}},
        {"heatmap": {"grid": [[2.0]]}},
        {"faces": -1},
        {"faces": "several"},
    ],
)
def test_an_answer_outside_the_contract_is_no_verdict(
    client: Inference, serving: FakeServing, change: dict[str, object]
) -> None:
    serving.answer = lambda _: httpx.Response(200, json=VERDICT | change)
    with pytest.raises(BadAnswer):
        client.judge(PHOTOGRAPH)


@pytest.mark.parametrize("body", ["", "not JSON", "[]", "null"])
def test_a_body_that_is_no_verdict_is_a_bad_answer(
    client: Inference, serving: FakeServing, body: str
) -> None:
    serving.answer = lambda _: httpx.Response(200, text=body)
    with pytest.raises(BadAnswer):
        client.judge(PHOTOGRAPH)


def test_a_key_with_time_left_is_used_as_it_is(client: Inference, serving: FakeServing) -> None:
    client.judge(PHOTOGRAPH)
    assert serving.renewals == 0


@pytest.mark.parametrize("minutes", [4.0, 0.0, -60.0])
def test_a_key_is_renewed_before_it_expires(client: Inference, serving: FakeServing, minutes: float) -> None:
    serving.write_keys(minutes)
    assert client.judge(PHOTOGRAPH).label == "fake"
    assert client.judge(PHOTOGRAPH).label == "fake"
    assert serving.renewals == 1


def test_a_refused_key_is_renewed_within_the_same_call(client: Inference, serving: FakeServing) -> None:
    serving.keys["inference"] = "another one than in the file"
    assert client.judge(PHOTOGRAPH).label == "fake"
    assert serving.renewals == 1


def test_a_key_that_another_process_renewed_is_read_from_the_file(
    client: Inference, serving: FakeServing, settings: Settings
) -> None:
    client.judge(PHOTOGRAPH)
    serving.keys = {"inference": "after a restart", "API": "api too"}
    serving.write_keys()
    client.judge(PHOTOGRAPH)
    assert serving.renewals == 0


def test_a_file_with_foreign_keys_is_no_failure_of_the_user(client: Inference, serving: FakeServing) -> None:
    serving.keys = {"inference": "unknown", "API": "unknown"}
    with pytest.raises(Unavailable, match="refuses the API key"):
        client.judge(PHOTOGRAPH)


@pytest.mark.parametrize("content", [None, "", '{"inference": {"key": "x"', "{}", "[]"])
def test_without_a_whole_key_file_it_is_tried_later(
    client: Inference, serving: FakeServing, content: str | None
) -> None:
    serving.key_file.unlink()
    if content is not None:
        serving.key_file.write_text(content)
    with pytest.raises(Unavailable, match="key file"):
        client.judge(PHOTOGRAPH)


def test_serving_is_ready_once_it_gives_verdicts(client: Inference, serving: FakeServing) -> None:
    client.check()
    serving.fail(503)
    with pytest.raises(Unavailable):
        client.check()


def test_nothing_listens(settings: Settings, tmp_path: Path) -> None:
    closed = Settings(**{**vars(settings), "torchserve_inference_url": "http://127.0.0.1:9"})
    with pytest.raises(Unavailable):
        Inference(closed).judge(PHOTOGRAPH)
