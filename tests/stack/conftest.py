"""The real TorchServe, for every test of this folder.

    def test_something(serving: Serving) -> None:
        answer = serving.predict(photograph)           # an httpx.Response

`serving` is one server for the whole session, on free ports, with its own working directory and an archive
built from model_store: just what `make run` starts. A Serving has

- `inference_url`, `management_url`, `metrics_url`: where it listens, without a slash at the end;
- `key_file`: path of its key_file.json; `key(kind)`: the key of "inference", "management" or "API" in it;
- `predict(data)` and `explain(data)`: POST a raw body with the inference key;
- `manage(method, path)`: a call of the management API with its key;
- `stop()` and `start()`: both wait until it is done. The addresses stay, the keys change;
- `down()`: a context manager: stopped inside, started again when it is left;
- `environment`: what a portal needs in its environment to use it.

`launch(**settings)` starts a further server with TS_<NAME> settings over config.properties, for tests that
need another configuration; it stops when the test's module is done. `model_store` is a folder with the
built archive.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.machine import free_ports
from tests.support import ROOT

START_SECONDS = 180.0
STOP_SECONDS = 20.0


class Serving:
    """A TorchServe process and the addresses, keys and calls that belong to it."""

    def __init__(self, state: Path, model_store: Path, **settings: str) -> None:
        """Choose free ports; start() starts the server."""
        inference, management, metrics, grpc, grpc_management = free_ports(5)
        self.inference_url = f"http://127.0.0.1:{inference}"
        self.management_url = f"http://127.0.0.1:{management}"
        self.metrics_url = f"http://127.0.0.1:{metrics}"
        self.state = state
        self.model_store = model_store
        self.key_file = state / "key_file.json"
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = {
            "TS_INFERENCE_ADDRESS": self.inference_url,
            "TS_MANAGEMENT_ADDRESS": self.management_url,
            "TS_METRICS_ADDRESS": self.metrics_url,
            "TS_GRPC_INFERENCE_PORT": str(grpc),
            "TS_GRPC_MANAGEMENT_PORT": str(grpc_management),
            **settings,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The portal's settings that make it use this server."""
        return {
            "TORCHSERVE_INFERENCE_URL": self.inference_url,
            "TORCHSERVE_MANAGEMENT_URL": self.management_url,
            "TORCHSERVE_KEY_FILE": str(self.key_file),
        }

    def key(self, kind: str) -> str:
        """Return the key for "inference" or "management" calls, or the "API" key, which renews the others."""
        return str(json.loads(self.key_file.read_text())[kind]["key"])

    def call(self, url: str, key: str, method: str = "GET", **options: object) -> httpx.Response:
        """Send one request with one of the three keys."""
        headers = {"Authorization": f"Bearer {self.key(key)}"}
        return httpx.request(method, url, headers=headers, timeout=60, **options)  # type: ignore[arg-type]

    def predict(self, data: bytes) -> httpx.Response:
        """Ask for a verdict on the bytes of an image file."""
        return self.call(f"{self.inference_url}/predictions/deepfake", "inference", "POST", content=data)

    def explain(self, data: bytes) -> httpx.Response:
        """Ask for a verdict and its heatmap."""
        return self.call(f"{self.inference_url}/explanations/deepfake", "inference", "POST", content=data)

    def manage(self, method: str, path: str) -> httpx.Response:
        """Call the management API, for instance manage("GET", "/models/deepfake")."""
        return self.call(self.management_url + path, "management", method)

    def start(self) -> None:
        """Start the server and wait until a worker has loaded the model."""
        self.state.mkdir(parents=True, exist_ok=True)
        options = ["--state", self.state, "--model-store", self.model_store]
        with (self.state / "console.log").open("ab") as console:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "deploy/torchserve.py", *options],
                env=os.environ | self._settings,
                stdout=console,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # no other thread forks here
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                log = self.state / "logs/model.log"
                lines = (self.state / "console.log").read_text() + (log.read_text() if log.exists() else "")
                pytest.fail(f"TorchServe did not start:\n{lines[-4000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server as honcho and Docker do, and wait until it is gone."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"TorchServe did not stop within {STOP_SECONDS:g} seconds of SIGTERM")
        self.process = None

    @contextmanager
    def down(self) -> Iterator[None]:
        """Keep the server stopped inside the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _is_ready(self) -> bool:
        try:
            versions = self.manage("GET", "/models/deepfake").json()
        except (httpx.TransportError, FileNotFoundError, json.JSONDecodeError):
            return False
        return any(worker["status"] == "READY" for worker in versions[0]["workers"])


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the model store with the archive, built as `make mar` builds it."""
    store = tmp_path_factory.mktemp("store")
    for pattern in ("*.safetensors", "*.json", "model-config.yaml"):
        for path in (ROOT / "model_store").glob(pattern):
            shutil.copy(path, store)
    for command in ("export", "archive"):
        subprocess.run([sys.executable, "-m", "training", command, "--store", store], cwd=ROOT, check=True)
    return store


@pytest.fixture(scope="session")
def serving(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The server of the session, configured as `make run` starts it."""
    server = Serving(tmp_path_factory.mktemp("serving"), model_store)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def launch(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Serving]]:
    """Start a further server: launch(TS_ENABLE_MODEL_API="true")."""
    with ExitStack() as stack:

        def start(**settings: str) -> Serving:
            server = Serving(tmp_path_factory.mktemp("launched"), model_store, **settings)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


def die_with_parent() -> None:
    """Have this process, about to become another program, stopped when the test run ends for any reason."""
    # A test run that is killed cannot clean up, and must leave no server behind either.
    set_parent_death_signal = 1
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
