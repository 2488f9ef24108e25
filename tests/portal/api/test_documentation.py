"""The section on the JSON API in docs/integration.md does what it says."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.api.detections import BATCH_FILES
from portal.config import Settings
from tests.portal.conftest import PHOTOGRAPH, VERDICT
from tests.stack.documents import blocks


@pytest.fixture
def run(address: str, key: str, tmp_path: Path) -> Callable[..., str]:
    """Run a block of the document beside a photograph, against the running portal; returns what it prints."""
    (tmp_path / "photo.jpg").write_bytes(PHOTOGRAPH)
    (tmp_path / "notes.txt").write_text("no image")

    def run(*command: str | Path, code: str) -> str:
        code = code.replace("http://localhost:8000", address)
        environment = os.environ | {"UNMASK_KEY": key}
        done = subprocess.run(
            [*command, code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_every_example_runs_and_answers_as_written(run: Callable[..., str]) -> None:
    shell, python = blocks("integration.md", "bash"), blocks("integration.md", "python")

    def bash(code: str) -> Any:
        return json.loads(run("bash", "-euo", "pipefail", "-c", code=code))

    for example in shell["Judge an image"]:
        answer = bash(example)
        assert (answer | VERDICT, answer["status"], answer["filename"]) == (answer, "done", "photo.jpg")
    [many] = shell["Judge many images"]
    assert [item["status"] for item in bash(many)["items"]] == [201, 422]
    [listing] = shell["List, read and delete"]
    page, _, one = run("bash", "-euc", code=listing).partition("\n{")
    assert [item["id"] for item in json.loads(page)["items"]] == [3, 2]
    assert json.loads("{" + one)["id"] == 1
    [repeated] = shell["Repeat safely"]
    assert bash(repeated)["id"] == bash(repeated)["id"] == 4
    [register] = shell["Webhooks"]
    assert bash(register)["secret"].startswith("whsec_")

    [download] = shell["The Python client"]
    run("bash", "-euc", code=download)
    usage, verification = python["The Python client"]
    assert run(sys.executable, "-c", code=usage).splitlines() == [
        "fake, with high certainty",
        "fake",
        "This is not an image that can be read. Choose a JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP file.",
        "5 judged",
    ]
    assert run(sys.executable, "-c", code=verification) == "The message is too old.\n"


def test_the_client_needs_httpx_only(run: Callable[..., str]) -> None:
    [download] = blocks("integration.md", "bash")["The Python client"]
    run("bash", "-euc", code=download)
    code = "import sys, unmask_client; print({'flask', 'portal', 'marshmallow'} & set(sys.modules))"
    assert run(sys.executable, "-c", code=code) == "set()\n"


def test_the_limits_in_the_document_are_those_of_the_code() -> None:
    assert Settings().api_rate_limit == "300 per minute; 20000 per day"
    assert BATCH_FILES == 100


def test_each_operation_is_described_and_needs_a_key(client: FlaskClient) -> None:
    described = client.get("/api/v1/openapi.json").get_json()
    operations = [
        (path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]
    assert len(operations) == 11
    assert described["security"] == [{"key": []}]
    assert all(operation["summary"] for _, _, operation in operations)
    verdict = described["components"]["schemas"]["DetailedDetection"]
    assert VERDICT.keys() <= set(verdict["required"])
    assert described["webhooks"]["detection"]["post"]["requestBody"]
