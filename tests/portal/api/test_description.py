"""The OpenAPI description: true, complete, and readable without a network."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.stack.browser import launch_browser
from tests.support import ROOT

FOLDER = Path(__file__).parent


def test_schemathesis_finds_no_failure(address: str, key: str, tmp_path: Path) -> None:
    command = [
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={FOLDER / 'schemathesis.toml'}",
        "run",
        f"{address}/api/v1/openapi.json",
        "--checks=all",
        "--max-examples=10",
        "--max-time=45",
        # Both say more of the machine than of the portal: they only end what hangs.
        "--request-timeout=60",
        "--max-response-time=60",
        "--generation-database=none",
        f"--report-dir={tmp_path}",
        "--no-color",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "API_KEY": key}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]


def test_every_schema_is_used(address: str) -> None:
    described = httpx.get(f"{address}/api/v1/openapi.json").text
    names = json.loads(described)["components"]["schemas"]
    assert [name for name in names if f'"#/components/schemas/{name}"' not in described] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch_browser(playwright)
        yield chromium
        chromium.close()


def test_the_reference_is_shown_and_tried_out_without_a_network(
    browser: Browser, address: str, key: str
) -> None:
    page = browser.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{address}/api/v1/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator("#auth-bearer-value").fill(key)
    page.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").click()
    page.locator("#operations-Detections-listDetections button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    answer = page.locator(".live-responses-table .response").first
    answer.get_by_text("200").wait_for()
    assert '"items": []' in answer.inner_text()
    assert complaints == []
    assert all(url.startswith((address, "data:")) for url in asked)
    page.close()
