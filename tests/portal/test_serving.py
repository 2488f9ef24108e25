"""The serving page and its commands, in front of a TorchServe that only exists behind the seam."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.config import Settings
from portal.inference import BadAnswer, Management, Refused, Unavailable
from tests.portal.conftest import FakeServing, upload

# Without accuracy_fake: TorchServe leaves out what is null.
CARD = {
    "version": "1.0",
    "device": "cpu",
    "weights_sha256": "ab" * 32,
    "certainty": [{"name": "high", "confidence_from": 0.9, "observed_error": 0.05}],
    "metrics": {
        "val": {
            "overall": {
                "images": {"real": 50, "fake": 50},
                "accuracy": 0.781,
                "accuracy_real": 0.7,
                "roc_auc": 0.865,
                "average_precision": 0.87,
            },
            "sources": {},
        }
    },
}
METRICS = """# TYPE ts_inference_requests_total counter
ts_inference_requests_total{model_name="deepfake",model_version="1.0",hostname="h",} 3.0
ts_inference_requests_total{model_name="deepfake",model_version="default",hostname="h",} 1.0
ts_inference_requests_total{model_name="other",model_version="1.0",hostname="h",} 9.0
# TYPE ts_queue_latency_microseconds counter
ts_queue_latency_microseconds{model_name="deepfake",model_version="1.0",hostname="h",} 40000.0
# TYPE ts_inference_latency_microseconds counter
ts_inference_latency_microseconds{model_name="deepfake",model_version="1.0",hostname="h",} 600000.0
# TYPE Requests2XX counter
Requests2XX{Level="Host",Hostname="h",} 12.0
# TYPE Requests5XX counter
Requests5XX{Level="Host",Hostname="h",} 7.0
# TYPE CPUUtilization gauge
CPUUtilization{Level="Host",Hostname="h",} 33.3
"""


class FakeManagement(FakeServing):
    """Answers management and metrics as TorchServe 0.12 was seen to do."""

    def __init__(self, key_file: Path) -> None:
        super().__init__(key_file)
        self.workers = {"1.0": 1, "2.0": 0}
        self.default = "1.0"
        self.model_api = False
        self.calls: list[str] = []
        self.refusal: httpx.Response | None = None
        self.management_key = "management"
        self.metrics = METRICS

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.port == 8082:
            assert "Authorization" not in request.headers
            return httpx.Response(200, text=self.metrics)
        if request.url.path == "/token" and request.url.params["type"] == "management":
            self.management_key = "management-renewed"
            keys = json.loads(self.key_file.read_text())
            expires = f"{datetime.now(UTC) + timedelta(minutes=60):%Y-%m-%dT%H:%M:%S.%f}123Z"
            keys["management"] = {"key": self.management_key, "expiration time": expires}
            self.key_file.write_text(json.dumps(keys))
            return httpx.Response(200)
        if request.url.port != 8081 or request.url.path == "/token":
            return super()._handle(request)
        if request.headers["Authorization"] != f"Bearer {self.management_key}":
            return self.error(400, "InvalidKeyException", "no")
        return self.manage(request)

    def error(self, status: int, kind: str, message: str) -> httpx.Response:
        return httpx.Response(status, json={"code": status, "type": kind, "message": message})

    def manage(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/models" and not request.url.params:
            return self.error(*((400, "Bad", "url") if self.model_api else (405, "MethodNotAllowed", "no")))
        return self.describe(request) if request.method == "GET" else self.change(request)

    def describe(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.removeprefix("/models/deepfake").strip("/") or self.default
        if name == "all":
            return httpx.Response(200, json=[self.described(each) for each in self.workers])
        if name not in self.workers:
            return self.error(404, "ModelVersionNotFoundException", f"Model version: {name} does not exist")
        customized = request.url.params.get("customized") == "true"
        return httpx.Response(
            200, json=[self.described(name) | ({"customizedMetadata": CARD} if customized else {})]
        )

    def change(self, request: httpx.Request) -> httpx.Response:
        path, method = request.url.path, request.method
        self.calls.append(f"{method} {path}?{request.url.params}")
        if self.refusal:
            return self.refusal
        if method in ("POST", "DELETE") and not self.model_api:
            return self.error(405, "MethodNotAllowedException", "Requested method is not allowed")
        if path.endswith("/set-default"):
            self.default = path.split("/")[-2]
        elif method == "PUT":
            self.workers[path.split("/")[-1]] = int(request.url.params["min_worker"])
        return httpx.Response(200, json={"status": "done"})

    def described(self, version: str) -> dict[str, Any]:
        workers = [
            {
                "id": str(9000 + number),
                "startTime": "2026-11-23T04:38:04.539Z",
                "status": "READY",
                "memoryUsage": 1_023_766_528,
                "pid": 8567,
                "gpu": False,
                "gpuUsage": "N/A",
            }
            for number in range(self.workers[version])
        ]
        return {
            "modelName": "deepfake",
            "modelVersion": version,
            "modelUrl": f"deepfake-{version}.mar",
            "minWorkers": self.workers[version],
            "maxWorkers": self.workers[version],
            "batchSize": 8,
            "workers": workers,
            "jobQueueStatus": {"remainingCapacity": 97, "pendingRequests": 3},
        }


@pytest.fixture
def serving(tmp_path: Path) -> FakeManagement:
    return FakeManagement(tmp_path / "key_file.json")


@pytest.fixture
def management(settings: Settings, serving: FakeManagement) -> Management:
    return Management(settings, serving.transport)


def page(client: FlaskClient) -> str:
    return " ".join(unescape(client.get("/admin/serving").get_data(as_text=True)).split())


def test_the_page_shows_versions_workers_and_times(client: FlaskClient, admin: int) -> None:
    upload(client)
    text = page(client)
    for part in (
        "TorchServe says that it is <strong>Healthy</strong>",
        "1 of 1 workers ready",
        "3 of 100 places in the queue taken",
        "1.02 GB",
        "8567",
        "0.781",
        "wrong in 5 % of such cases",
        "<dt>Requests for verdicts</dt><dd>4</dd>",
        "<dt>Mean wait in its queue</dt><dd>10 ms</dd>",
        "<dt>Mean time in it</dt><dd>150 ms</dd>",
        "<dt>Server errors</dt><dd>7</dd>",
        "<dt>Verdicts in 24 hours</dt><dd>1</dd>",
        "No worker: this version judges nothing.",
        "model API is off",
        "it then loads deepfake.mar alone",
    ):
        assert part in text
    assert "Register" not in text


def test_workers_are_scaled(client: FlaskClient, admin: int, serving: FakeManagement) -> None:
    response = client.post("/admin/serving/2.0/scale", data={"workers": "2"}, follow_redirects=True)
    assert "on its way to 2 workers" in response.get_data(as_text=True)
    assert serving.workers == {"1.0": 1, "2.0": 2}
    response = client.post("/admin/serving/1.0/scale", data={"workers": "0"}, follow_redirects=True)
    for words in ("Version 1.0 goes on without a worker", "images wait until this version has one"):
        assert words in response.get_data(as_text=True)
    assert serving.workers == {"1.0": 0, "2.0": 2}


@pytest.mark.parametrize("workers", ["", "-1", "65", "many", "1.5"])
def test_a_senseless_number_of_workers_is_refused(
    client: FlaskClient, admin: int, serving: FakeManagement, workers: str
) -> None:
    response = client.post("/admin/serving/1.0/scale", data={"workers": workers})
    assert response.status_code == 422
    assert "from 0 to 64" in response.get_data(as_text=True)
    assert serving.calls == []


def test_the_default_is_switched_only_to_a_version_that_can_answer(
    client: FlaskClient, admin: int, serving: FakeManagement
) -> None:
    refused = client.post("/admin/serving/2.0/default")
    assert refused.status_code == 409
    assert "no worker that is ready" in refused.get_data(as_text=True)
    assert serving.default == "1.0"
    serving.workers["2.0"] = 1
    assert client.post("/admin/serving/2.0/default").status_code == 303
    assert serving.default == "2.0"


def test_the_model_api_decides_about_registering(
    client: FlaskClient, admin: int, serving: FakeManagement
) -> None:
    data = {"archive": "deepfake-3.0.mar", "workers": "1"}
    for path, form in (("register", data), ("2.0/unregister", {})):
        refused = client.post(f"/admin/serving/{path}", data=form)
        assert refused.status_code == 409
        assert "while its model API is off" in unescape(refused.get_data(as_text=True))
    serving.model_api = True
    assert "Register" in page(client)
    assert client.post("/admin/serving/register", data=data).status_code == 303
    assert client.post("/admin/serving/2.0/unregister").status_code == 303
    assert serving.calls[-2].startswith("POST /models?url=deepfake-3.0.mar&model_name=deepfake")
    assert serving.calls[-1].startswith("DELETE /models/deepfake/2.0")


def test_the_version_that_gives_the_verdicts_is_not_removed(
    client: FlaskClient, admin: int, serving: FakeManagement
) -> None:
    serving.model_api = True
    response = client.post("/admin/serving/1.0/unregister")
    assert response.status_code == 409
    assert "Make another version the default first." in response.get_data(as_text=True)
    assert serving.calls == []


def test_an_archive_that_no_worker_can_load_is_explained(
    client: FlaskClient, admin: int, serving: FakeManagement
) -> None:
    serving.model_api = True
    reason = "Failed to start workers for model deepfake version: 1.0"
    serving.refusal = serving.error(500, "InternalServerException", reason)
    response = client.post("/admin/serving/register", data={"archive": "broken.mar", "workers": "1"})
    assert response.status_code == 409
    text = unescape(response.get_data(as_text=True))
    assert "No worker could load broken.mar" in text
    assert "model.log" in text


@pytest.mark.parametrize("archive", ["https://evil.example/x.mar", "../x.mar", "x.zip", "/tmp/x.mar", "x"])
def test_only_archives_of_the_model_store_are_registered(
    client: FlaskClient, admin: int, serving: FakeManagement, archive: str
) -> None:
    serving.model_api = True
    response = client.post("/admin/serving/register", data={"archive": archive, "workers": "1"})
    assert response.status_code == 409
    assert f'value="{archive}"' in response.get_data(as_text=True)
    assert serving.calls == []


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "BadRequestException", Refused),
        (403, "InvalidModelVersionException", Refused),
        (404, "ModelVersionNotFoundException", Refused),
        (405, "MethodNotAllowedException", Refused),
        (409, "ConflictStatusException", Refused),
        (500, "InternalServerException", Refused),
        (502, "", Unavailable),
        (503, "ServiceUnavailableException", Unavailable),
        (504, "", Unavailable),
    ],
)
def test_every_refusal_says_why(
    management: Management, serving: FakeManagement, status: int, kind: str, error: type[Exception]
) -> None:
    serving.refusal = serving.error(status, kind, "the reason")
    with pytest.raises(error, match=r"the reason|model API is off"):
        management.scale("1.0", 2)


@pytest.mark.parametrize("version", ["../token", "1.0?x=1", "", "1 0"])
def test_a_version_is_never_a_path(management: Management, serving: FakeManagement, version: str) -> None:
    for call in (lambda: management.scale(version, 1), lambda: management.unregister(version)):
        with pytest.raises(Refused, match=r"There is no version .* TorchServe has: 1\.0, 2\.0\."):
            call()
    assert serving.calls == []


def test_the_management_key_is_renewed_like_the_other(
    management: Management, serving: FakeManagement
) -> None:
    serving.write_keys(minutes=1)
    management.scale("1.0", 2)
    assert serving.management_key == "management-renewed"
    serving.management_key = "changed by a restart"
    management.scale("1.0", 3)
    assert serving.workers["1.0"] == 3


def test_torchserve_down_is_told_and_the_page_stays(
    client: FlaskClient, admin: int, settings: Settings
) -> None:
    settings.torchserve_key_file.unlink()
    response = client.get("/admin/serving")
    assert response.status_code == 200
    text = unescape(response.get_data(as_text=True))
    assert "TorchServe does not answer" in text
    assert "key file cannot be read" in text
    assert "Waiting in the portal" in text
    assert 'data-poll-while="down"' in text
    assert client.post("/admin/serving/1.0/scale", data={"workers": "2"}).status_code == 503


@pytest.mark.parametrize("metrics", ["<html>", "ts_inference_requests_total{ nonsense"])
def test_metrics_that_are_none_leave_the_rest_of_the_page(
    client: FlaskClient, admin: int, serving: FakeManagement, metrics: str
) -> None:
    serving.metrics = metrics
    text = page(client)
    assert "1 of 1 workers ready" in text
    assert "metrics cannot be read" in text


def test_an_unknown_description_is_a_bad_answer(management: Management, serving: FakeManagement) -> None:
    serving.described = lambda version: {"modelVersion": version}  # type: ignore[method-assign]
    with pytest.raises(BadAnswer, match="unknown way"):
        management.state()


def test_the_page_reloads_when_workers_changed(
    client: FlaskClient, admin: int, serving: FakeManagement
) -> None:
    def state() -> Any:
        return client.get("/admin/serving", headers={"Accept": "application/json"}).get_json()["state"]

    before = state()
    assert state() == before
    serving.workers["1.0"] = 2
    assert state() != before


def test_commands_do_the_same(app: Flask, serving: FakeManagement) -> None:
    run: Callable[..., Any] = app.test_cli_runner().invoke
    shown = run(args=["serving", "status"])
    assert shown.exit_code == 0
    assert "Version 1.0: 1 of 1 workers ready  (gives the verdicts)" in shown.output
    assert "Portal, last 24 hours: no verdict; 0 failed" in shown.output
    assert json.loads(run(args=["serving", "status", "--json"]).output)["serving"]["health"] == "Healthy"
    assert run(args=["serving", "scale", "2.0", "1", "--wait"]).exit_code == 0
    assert "synchronous=true" in serving.calls[-1]
    assert run(args=["serving", "default", "2.0"]).exit_code == 0
    assert serving.default == "2.0"
    for number in ("-1", "65"):
        refused = run(args=["serving", "scale", "2.0", number])
        assert refused.exit_code == 2
        assert "is not in the range 0<=x<=64" in refused.output
    for arguments in (["register", "deepfake-3.0.mar"], ["unregister", "1.0"]):
        refused = run(args=["serving", *arguments])
        assert refused.exit_code == 1
        assert "model API is off" in refused.output
    serving.key_file.unlink()
    down = run(args=["serving", "status"])
    assert down.exit_code == 1
    assert "key file cannot be read" in down.output
