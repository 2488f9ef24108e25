"""The REST endpoint as integrators meet it, on the real TorchServe."""

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.stack.conftest import Serving
from tests.support import CHINA, FLOWER, ROOT
from training.store import read_card

PHOTOGRAPH = CHINA.read_bytes()


def encoded(image: Image.Image, kind: str) -> bytes:
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def assert_is_verdict(answer: dict[str, object]) -> None:
    card = read_card(ROOT / "model_store")
    assert answer["label"] in ("real", "fake")
    probability, confidence = answer["probability_real"], answer["confidence"]
    assert isinstance(probability, float)
    assert isinstance(confidence, float)
    assert 0 <= probability <= 1
    assert answer["label"] == ("real" if probability >= 0.5 else "fake")
    assert confidence == pytest.approx(max(probability, 1 - probability))
    levels = [level["name"] for level in card["certainty"] if confidence >= level["confidence_from"]]
    assert answer["certainty"] == levels[0]
    assert answer["model"] == "deepfake"
    assert answer["model_version"] == card["version"]


def test_raw_body_gives_the_json_of_the_contract(serving: Serving) -> None:
    response = serving.predict(PHOTOGRAPH)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert_is_verdict(response.json())


def test_multipart_upload_gives_the_same_verdict(serving: Serving) -> None:
    url = f"{serving.inference_url}/predictions/deepfake"
    response = serving.call(url, "inference", "POST", files={"data": ("china.jpg", PHOTOGRAPH, "image/jpeg")})
    assert response.status_code == 200
    assert response.json() == serving.predict(PHOTOGRAPH).json()


def test_explanation_adds_a_heatmap_to_the_same_verdict(serving: Serving) -> None:
    response = serving.explain(PHOTOGRAPH)
    assert response.status_code == 200
    answer = response.json()
    assert answer["faces"] == 0
    heatmap = answer.pop("heatmap")
    verdict = serving.predict(PHOTOGRAPH).json()
    assert answer["probability_real"] == pytest.approx(verdict["probability_real"], abs=1e-4)
    assert answer["label"] == verdict["label"]
    assert heatmap["method"] == "grad-cam"
    grid = np.array(heatmap["grid"])
    assert grid.shape == (7, 7)
    assert grid.min() >= 0
    assert grid.max() == 1


BAD_IMAGES = {
    "empty": (b"", "empty"),
    "text": (b"This is no image.", "not a readable image"),
    "html": (b"<!doctype html><title>404</title>", "not a readable image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a readable image"),
    "truncated jpeg": (PHOTOGRAPH[: len(PHOTOGRAPH) // 2], "damaged"),
    "jpeg without its last byte": (PHOTOGRAPH[:-1], "damaged"),
    "header only": (PHOTOGRAPH[:20], "damaged"),
    "pixel bomb": (encoded(Image.new("1", (30_000, 30_000)), "PNG"), "too many pixels"),
    "too wide": (encoded(Image.new("1", (1_100_000, 1)), "PNG"), "not a readable image"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.parametrize("endpoint", ["predictions", "explanations"])
def test_bad_image_is_refused_with_its_reason(serving: Serving, endpoint: str, name: str) -> None:
    data, reason = BAD_IMAGES[name]
    url = f"{serving.inference_url}/{endpoint}/deepfake"
    response = serving.call(url, "inference", "POST", content=data)
    assert response.status_code == 400
    assert response.json().keys() == {"code", "type", "message"}
    assert response.json()["code"] == 400
    assert response.json()["type"] == "BadImage"
    assert reason in response.json()["message"]


@pytest.mark.parametrize(
    "request_parts",
    [
        {"files": {"image": ("china.jpg", PHOTOGRAPH, "image/jpeg")}},
        {"files": {"data": ("empty.jpg", b"", "image/jpeg")}},
        {"data": {"data": "text"}},
        {"json": {"data": "text"}},
        {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    ],
    ids=["wrong field", "empty file", "form", "json", "broken multipart"],
)
def test_request_without_an_image_is_refused(serving: Serving, request_parts: dict[str, object]) -> None:
    headers = {"Authorization": f"Bearer {serving.key('inference')}"} | request_parts.pop("headers", {})
    url = f"{serving.inference_url}/predictions/deepfake"
    response = httpx.post(url, headers=headers, timeout=60, **request_parts)
    assert response.status_code == 400
    assert response.json()["type"] == "BadImage"


def test_body_above_the_limit_is_refused_and_one_at_the_limit_is_read(serving: Serving) -> None:
    assert serving.predict(bytes(20_000_001)).status_code == 413
    padded = PHOTOGRAPH + bytes(20_000_000 - len(PHOTOGRAPH))
    assert serving.predict(padded).json() == serving.predict(PHOTOGRAPH).json()


@pytest.mark.parametrize("key", [None, "Bearer nonsense", "management", "API"])
def test_call_without_the_inference_key_is_refused(serving: Serving, key: str | None) -> None:
    headers = {}
    if key is not None:
        headers["Authorization"] = key if key.startswith("Bearer") else f"Bearer {serving.key(key)}"
    for path in ("/ping", "/predictions/deepfake", "/explanations/deepfake"):
        response = httpx.post(serving.inference_url + path, headers=headers, content=PHOTOGRAPH)
        assert response.status_code == 400
        assert response.json()["type"] == "InvalidKeyException"


def test_unknown_model_and_version_are_not_found(serving: Serving) -> None:
    for path in ("/predictions/nosuch", "/predictions/deepfake/99.0"):
        response = serving.call(serving.inference_url + path, "inference", "POST", content=PHOTOGRAPH)
        assert response.status_code == 404


def test_no_worker_answers_503_until_there_is_one_again(serving: Serving) -> None:
    scale = "/models/deepfake?min_worker={0}&max_worker={0}&synchronous=true"
    assert serving.manage("PUT", scale.format(0)).status_code == 200
    try:
        assert serving.predict(PHOTOGRAPH).status_code == 503
    finally:
        assert serving.manage("PUT", scale.format(1)).status_code == 200
    assert serving.predict(PHOTOGRAPH).status_code == 200


def without_nulls(value: object) -> Any:
    """Return JSON as TorchServe's frontend passes it on: without the members that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def test_description_tells_version_metrics_and_device(serving: Serving) -> None:
    response = serving.manage("GET", "/models/deepfake?customized=true")
    described = response.json()[0]["customizedMetadata"]
    card = read_card(ROOT / "model_store")
    assert described.items() >= without_nulls(card).items()
    assert described["model_version"] == card["version"]
    assert described["device"].startswith(("cpu", "cuda"))


def test_metrics_count_what_was_judged(serving: Serving) -> None:
    def total(name: str) -> float:
        lines = httpx.get(f"{serving.metrics_url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{"))

    label = serving.predict(PHOTOGRAPH).json()["label"]
    judged = f"ImagesCalled{label.capitalize()}"
    before, refused = total(judged), total("ImagesRefused")
    serving.predict(PHOTOGRAPH)
    serving.predict(b"no image")
    serving.predict(b"no image")
    # A worker reports through its log, which the server reads a moment later.
    for _ in range(50):
        if total(judged) == before + 1 and total("ImagesRefused") == refused + 2:
            break
        httpx.get(f"{serving.metrics_url}/metrics")
    assert total(judged) == before + 1
    assert total("ImagesRefused") == refused + 2


def test_model_api_is_off_and_urls_are_refused(serving: Serving) -> None:
    assert serving.manage("POST", "/models?url=deepfake.mar").status_code == 405
    version = read_card(ROOT / "model_store")["version"]
    assert serving.manage("DELETE", f"/models/deepfake/{version}").status_code == 405
    assert serving.predict(FLOWER.read_bytes()).status_code == 200


def test_everything_listens_on_loopback_only(serving: Serving) -> None:
    text = (serving.state / "logs/torchserve.log").read_text()
    assert f"Inference API bind to: {serving.inference_url}" in text
    for url in (serving.inference_url, serving.management_url, serving.metrics_url):
        assert url.startswith("http://127.0.0.1:")
