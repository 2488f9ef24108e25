"""The OpenAPI description: true, complete, and readable without a network."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from werkzeug.serving import make_server

from tests.support import ROOT

FOLDER = Path(__file__).parent


@pytest.fixture
def address(make_app: Callable[..., Flask]) -> Iterator[str]:
    """The address of a running portal, with its API."""
    server = make_server("127.0.0.1", 0, make_app(api_rate_limit="1000000 per minute"), threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_schemathesis_finds_no_failure(address: str, key: str, tmp_path: Path) -> None:
    command = [
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={FOLDER / 'schemathesis.toml'}",
        "run",
        f"{address}/api/v1/openapi.json",
        f"--header=Authorization: Bearer {key}",
        "--checks=all",
        "--max-examples=15",
        "--max-time=60",
        "--generation-database=none",
        f"--report-dir={tmp_path}",
        "--no-color",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
