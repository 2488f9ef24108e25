"""The portal manages the real TorchServe: it looks, scales, registers, switches, and explains refusals."""

import json
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from portal.config import Settings
from portal.inference import Inference, Management, Refused
from tests.stack.conftest import Serving
from tests.support import CHINA

SECONDS = 180.0


def settings_for(server: Serving) -> Settings:
    return Settings.from_environment(
        {**server.environment, "TORCHSERVE_METRICS_URL": server.metrics_url, "TORCHSERVE_TIMEOUT": "60"}
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def add_version(store: Path, version: str) -> str:
    """Put a copy of the archive with another version into the model store; returns its name."""
    name = f"deepfake-{version}.mar"
    with zipfile.ZipFile(store / "deepfake.mar") as old, zipfile.ZipFile(store / name, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename in ("MAR-INF/MANIFEST.json", "model.json"):
                content = json.loads(data)
                content.get("model", {})["modelVersion"] = version
                content["version"] = version
                data = json.dumps(content).encode()
            new.writestr(entry, data)
    return name


@pytest.fixture
def network() -> Iterator[httpx.HTTPTransport]:
    """Real connections, closed when the test is done."""
    with httpx.HTTPTransport() as transport:
        yield transport


@pytest.fixture
def management(serving: Serving, network: httpx.HTTPTransport) -> Management:
    return Management(settings_for(serving), network)


def test_the_state_of_the_server_is_read(serving: Serving, management: Management) -> None:
    state = management.state()
    assert (state.health, state.model_api) == ("Healthy", False)
    [version] = state.versions
    assert (version.is_default, version.archive, version.wanted, version.ready) == (
        True,
        "deepfake.mar",
        1,
        1,
    )
    assert version.queue_size == 100
    assert version.card is not None
    assert version.card["version"] == version.name
    assert version.card["certainty"]
    assert version.workers[0].device == "CPU" or version.workers[0].device.startswith("GPU")


def test_the_work_is_counted(serving: Serving, management: Management, network: httpx.HTTPTransport) -> None:
    before = management.workload().requests
    Inference(settings_for(serving), network).judge(CHINA.read_bytes())
    workload = management.workload()
    assert workload.requests == before + 1
    assert workload.handling_ms is not None
    assert workload.handling_ms > 0
    assert workload.answered > 0


def test_workers_are_scaled_up_and_down_and_to_none(management: Management) -> None:
    [version] = management.state().versions
    try:
        management.scale(version.name, 2, wait=True)
        assert management.state().versions[0].ready == 2
        management.scale(version.name, 0)
        wait_until(lambda: not management.state().versions[0].workers)
        assert management.state().versions[0].card is None
        with pytest.raises(Refused, match="no worker that is ready"):
            management.set_default(version.name)
    finally:
        management.scale(version.name, 1, wait=True)
    assert management.state().versions[0].ready == 1


def test_what_torchserve_refuses_is_explained(management: Management) -> None:
    with pytest.raises(Refused, match="model API is off"):
        management.register("deepfake.mar")
    [version] = management.state().versions
    for change in (partial(management.scale, workers=1), management.set_default, management.unregister):
        with pytest.raises(Refused, match=f"no version “99.0”. TorchServe has: {version.name}"):
            change("99.0")


def test_a_version_is_rolled_forward_and_back(
    model_store: Path, launch: Callable[..., Serving], network: httpx.HTTPTransport
) -> None:
    archive = add_version(model_store, "2.0")
    server = launch(TS_ENABLE_MODEL_API="true")
    management = Management(settings_for(server), network)
    inference = Inference(settings_for(server), network)
    [first] = management.state().versions
    assert management.state().model_api
    with pytest.raises(Refused, match="Model not found"):
        management.register("deepfake-9.9.mar")
    with pytest.raises(Refused, match="already registered"):
        management.register("deepfake.mar")
    management.register(archive)
    assert {version.name: version.ready for version in management.state().versions} == {
        first.name: 1,
        "2.0": 1,
    }
    assert inference.judge(CHINA.read_bytes()).model_version == first.name
    management.set_default("2.0")
    assert inference.judge(CHINA.read_bytes()).model_version == "2.0"
    with pytest.raises(Refused, match="Make another version the default first"):
        management.unregister("2.0")
    management.set_default(first.name)
    management.unregister("2.0")
    with pytest.raises(Refused, match="Make another version the default first"):
        management.unregister(first.name)
    assert [version.name for version in management.state().versions] == [first.name]
    assert inference.judge(CHINA.read_bytes()).model_version == first.name


@pytest.mark.parametrize("spoilt", [{"key": "expired"}, {"expiration time": "2020-01-01T00:00:00Z"}])
def test_the_management_key_is_renewed(
    serving: Serving, management: Management, spoilt: dict[str, str]
) -> None:
    keys = json.loads(serving.key_file.read_text())
    keys["management"] |= spoilt
    serving.key_file.write_text(json.dumps(keys))
    assert management.state().versions[0].ready == 1
    assert serving.key("management") != keys["management"]["key"]
