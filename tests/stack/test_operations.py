"""docs/operations.md does what it says, on a server of its own with the model API turned on."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.stack.conftest import Serving
from tests.stack.documents import Reader, blocks
from tests.support import CHINA, FLOWER, ROOT
from training.precisions import MODULES
from training.store import read_card, write_card

BLOCKS = blocks("operations.md", "bash")
[HELPERS] = BLOCKS["TorchServe by hand"]
PHOTOGRAPH = CHINA.read_bytes()


@pytest.fixture(scope="module")
def second_version(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The archive that the document registers: the same model under the version 2.0."""
    store = tmp_path_factory.mktemp("second")
    # With the lower precisions, so that both versions are served in the same.
    for name in {"precisions.json", "model-config.yaml", *MODULES.values()}:
        shutil.copy(model_store / name, store)
    write_card(read_card(model_store) | {"version": "2.0"}, store)
    command = [sys.executable, "-m", "training", "archive", "--store", store]
    subprocess.run(command, cwd=ROOT, check=True)
    shutil.move(store / "deepfake.mar", model_store / "deepfake-2.0.mar")


@pytest.fixture(scope="module")
def operated(launch: Callable[..., Serving], second_version: None) -> Serving:
    return launch(TS_ENABLE_MODEL_API="true")


@pytest.fixture
def reader(operated: Serving, tmp_path: Path) -> Reader:
    return Reader(operated, tmp_path, CHINA)


def workers(serving: Serving) -> list[str]:
    [model] = serving.manage("GET", "/models/deepfake").json()
    return [worker["status"] for worker in model["workers"]]


def follow(reader: Reader, heading: str) -> str:
    return reader.bash(HELPERS, *BLOCKS[heading])


def test_state_of_the_workers(reader: Reader, operated: Serving) -> None:
    printed = follow(reader, "Read the state of the workers")
    for expected in ('"modelName": "deepfake"', '"status": "READY"', '"pendingRequests": 0', "certainty"):
        assert expected in printed


def test_scaling_up_and_down(reader: Reader, operated: Serving) -> None:
    follow(reader, "Add a worker")
    assert workers(operated) == ["READY", "READY"]
    follow(reader, "Go back to one worker")
    assert workers(operated) == ["READY"]
    assert operated.predict(PHOTOGRAPH).status_code == 200


def test_renewing_keys(reader: Reader, operated: Serving) -> None:
    before = {kind: operated.key(kind) for kind in ("inference", "management", "API")}
    follow(reader, "Renew the keys")
    after = {kind: operated.key(kind) for kind in before}
    assert after["API"] == before["API"]
    assert after["inference"] != before["inference"]
    assert after["management"] != before["management"]
    assert operated.key_file.stat().st_mode & 0o777 == 0o600
    assert operated.predict(PHOTOGRAPH).status_code == 200
    assert operated.manage("GET", "/models").status_code == 200


def test_second_version_is_registered_switched_to_and_removed(reader: Reader, operated: Serving) -> None:
    def version(path: str) -> str:
        url = f"{operated.inference_url}/predictions/{path}"
        response = operated.call(url, "inference", "POST", content=PHOTOGRAPH)
        return str(response.json().get("model_version", response.status_code))

    shipped = read_card(ROOT / "model_store")["version"]
    follow(reader, "Register a second version")
    assert (version("deepfake"), version("deepfake/2.0")) == (shipped, "2.0")
    follow(reader, "Switch to it")
    assert (version("deepfake"), version(f"deepfake/{shipped}")) == ("2.0", shipped)
    follow(reader, "Switch back, and remove it")
    assert (version("deepfake"), version("deepfake/2.0")) == (shipped, "404")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/deepfake.mar", "file:///etc/passwd", "../deepfake.mar"])
def test_archives_come_from_the_model_store_only(operated: Serving, url: str) -> None:
    assert operated.manage("POST", f"/models?url={url}").status_code in (400, 403, 404)
    assert [model["modelName"] for model in operated.manage("GET", "/models").json()["models"]] == [
        "deepfake"
    ]


def test_every_block_is_tested() -> None:
    source = Path(__file__).read_text()
    assert [heading for heading in BLOCKS if f'"{heading}"' not in source] == []


def test_one_batch_over_http_keeps_its_bad_image_apart(operated: Serving, second_version: None) -> None:
    # The three requests can only be answered in time as one full batch: a lone one would wait ten minutes.
    batch = "url=deepfake-2.0.mar&batch_size=3&max_batch_delay=600000"
    registered = operated.manage("POST", f"/models?{batch}&initial_workers=1&synchronous=true")
    assert registered.status_code == 200
    url = f"{operated.inference_url}/predictions/deepfake/2.0"
    try:
        with ThreadPoolExecutor(3) as clients:
            sent = [PHOTOGRAPH, PHOTOGRAPH[:9000], FLOWER.read_bytes()]
            answers = list(
                clients.map(lambda data: operated.call(url, "inference", "POST", content=data), sent)
            )
    finally:
        operated.manage("DELETE", "/models/deepfake/2.0")
    assert [answer.status_code for answer in answers] == [200, 400, 200]
    assert answers[1].json()["type"] == "BadImage"
    for data, answer in ((PHOTOGRAPH, answers[0]), (FLOWER.read_bytes(), answers[2])):
        alone = operated.predict(data).json()["probability_real"]
        assert answer.json()["probability_real"] == pytest.approx(alone, abs=1e-4)
