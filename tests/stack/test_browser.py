"""A user's and an administrator's day in a real browser: gunicorn, the worker and the real TorchServe."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from benchmarks.machine import free_ports
from tests.stack.browser import launch_browser
from tests.stack.conftest import Serving, die_with_parent
from tests.support import CHINA, FLOWER, ROOT

PASSWORD = "correct horse battery"
START_SECONDS = 60
WAIT_MS = 30_000
COMPLETION_MS = 90_000  # the worker's longest pause, and a little more
POLL_MS = 3000  # as in refresh.js


@contextmanager
def process(*command: str | Path, environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        running = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # no other thread forks here
        )
        try:
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0, log.read_text()


@pytest.fixture(scope="module")
def address(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A portal as `make run` starts it: two gunicorn workers and the worker process, on a fresh database."""
    folder = tmp_path_factory.mktemp("portal")
    port = free_ports(1)[0]
    url = f"http://localhost:{port}"
    environment = os.environ | {
        **serving.environment,
        "DATABASE_URL": f"sqlite:///{folder}/portal.db",
        "UPLOAD_FOLDER": str(folder / "uploads"),
        "SECRET_KEY": secrets.token_hex(16),
        "PORTAL_URL": url,
        "ADMIN_USERNAME": "chief",
        "ADMIN_PASSWORD": PASSWORD,
    }
    flask = [sys.executable, "-m", "flask", "--app", "portal"]
    for command in (["db", "upgrade"], ["create-admin"]):
        subprocess.run([*flask, *command], cwd=ROOT, env=environment, check=True, capture_output=True)
    options = ["--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    gunicorn = [sys.executable, "-m", "gunicorn", *options, "portal:create_app()"]
    log = folder / "log"
    with (
        process(*gunicorn, environment=environment, log=log),
        process(*flask, "worker", environment=environment, log=log),
    ):
        wait_for(lambda: healthy(url), log)
        wait_for(lambda: f"Unmask is ready: {url}" in log.read_text(), log)
        yield url
    assert "Traceback" not in log.read_text()


def healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"The portal did not start:\n{log.read_text()}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch_browser(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open the portal as a new visitor: visit(java_script_enabled=False).

    No page may complain on the console, but of an upload that is refused, nor ask another server.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def complain(text: str) -> None:
        if not re.search(r"status of (413|422)", text):
            complaints.append(text)

    def open_portal(**options: Any) -> Page:
        context = browser.new_context(base_url=address, **options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda sent: sent.url.startswith((address, "blob:")) or complaints.append(sent.url)
        )
        page.goto("/")
        return page

    yield open_portal
    for context in contexts:
        context.close()
    assert complaints == []


def register(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("link", name="Create account").click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat the password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Your account is ready")).to_be_visible()


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Check an image")).to_be_visible()


def check(page: Page, image: Path) -> None:
    page.get_by_role("link", name="Check", exact=True).click()
    page.get_by_label("Choose an image").set_input_files(image)
    page.get_by_role("button", name="Check this image").click()
    page.wait_for_url(re.compile(r"/detections/\d+$"))


def expect_verdict(page: Page) -> None:
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text(re.compile("Likely real|Likely fake|Uncertain"))
    expect(page.get_by_role("img", name=re.compile("Probability: .* real, .* fake"))).to_be_visible()
    expect(page.get_by_text("deepfake, version")).to_be_visible()


def shown(page: Page, selector: str) -> bool:
    return bool(page.eval_on_selector(selector, "image => image.complete && image.naturalWidth > 0"))


def test_a_user_registers_uploads_and_reads_the_verdict(visit: Callable[..., Page]) -> None:
    page = visit()
    register(page, "amira")
    check(page, CHINA)
    expect_verdict(page)
    page.wait_for_load_state("networkidle")
    assert shown(page, ".stage-image")
    assert shown(page, ".stage-heat")

    heat = page.locator(".stage-heat")
    page.get_by_label("Opacity").fill("20")
    expect(heat).to_have_css("opacity", "0.2")
    expect(page.get_by_label("Opacity")).to_have_attribute("aria-valuetext", "20%")
    page.get_by_label("Heatmap").uncheck()
    expect(heat).to_be_hidden()

    check(page, FLOWER)
    expect_verdict(page)
    page.get_by_role("link", name="History").first.click()
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".card").first).to_contain_text("flower.jpg")
    page.locator(".card").last.click()
    expect(page.get_by_text("china.jpg").first).to_be_visible()

    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The image and its verdict are deleted.")).to_be_visible()
    expect(page.locator(".card")).to_have_count(1)

    page.get_by_role("link", name="FAQ").click()
    page.get_by_text("Is a verdict a proof?").click()
    expect(page.get_by_text("It is an estimate by a statistical model")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    page.goto("/detections")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_keyboard_alone_suffices(visit: Callable[..., Page]) -> None:
    page = visit()
    register(page, "keys")
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    chooser = page.get_by_label("Choose an image")
    expect(chooser).to_be_focused()
    chooser.set_input_files(CHINA)
    expect(page.get_by_role("button", name="Check this image")).to_be_focused()
    page.keyboard.press("Enter")
    expect_verdict(page)


def test_without_javascript_a_verdict_is_read_all_the_same(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    register(page, "noscript")
    check(page, CHINA)
    expect_verdict(page)
    expect(page.locator(".stage-heat")).to_be_visible()
    page.get_by_label("Heatmap").uncheck()
    expect(page.locator(".stage-heat")).to_be_hidden()


def test_a_file_that_is_no_image_is_explained(visit: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("not an image")
    page = visit(java_script_enabled=False)
    register(page, "textfile")
    page.get_by_label("Choose an image").set_input_files(tmp_path / "notes.jpg")
    page.get_by_role("button", name="Check this image").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not an image that can be read.")


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_a_file_that_is_too_large_is_explained(
    visit: Callable[..., Page], tmp_path: Path, java_script_enabled: bool
) -> None:
    (tmp_path / "large.jpg").write_bytes(b"\xff" * 21_000_000)
    page = visit(java_script_enabled=java_script_enabled)
    register(page, f"large-{java_script_enabled}".lower())
    page.get_by_label("Choose an image").set_input_files(tmp_path / "large.jpg")
    if not java_script_enabled:  # with it, the file is refused as soon as it is chosen
        page.get_by_role("button", name="Check this image").click()
    expect(
        page.get_by_text("The limit is 20 MB" if not java_script_enabled else "the limit is 20 MB")
    ).to_be_visible()


def test_an_image_chosen_before_the_script_is_there_is_checked(visit: Callable[..., Page]) -> None:
    page = visit()
    register(page, "hasty")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/upload.js*", hold)
    page.goto("/", wait_until="commit")
    page.get_by_label("Choose an image").set_input_files(CHINA)
    [script] = held
    script.continue_()
    expect(page.get_by_text("china.jpg")).to_be_visible()
    page.get_by_role("button", name="Check this image").click()
    page.wait_for_url(re.compile(r"/detections/\d+$"))
    expect_verdict(page)


def test_an_administrator_deletes_a_user_and_edits_the_faq(visit: Callable[..., Page]) -> None:
    troll = visit()
    register(troll, "troll")
    check(troll, CHINA)

    page = visit()
    sign_in(page, "chief")
    page.get_by_role("link", name="Admin").click()
    expect(page.get_by_text("Images checked")).to_be_visible()
    page.get_by_role("link", name="Users").click()
    page.get_by_label("Search by name").fill("TROLL")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1 found")).to_be_visible()
    page.get_by_label("Delete troll").click()
    page.get_by_role("button", name="Delete troll").click()
    expect(page.get_by_text("troll is deleted")).to_be_visible()
    troll.goto("/detections")
    expect(troll.get_by_role("heading", name="Sign in")).to_be_visible()

    page.get_by_role("navigation", name="Administration").get_by_role("link", name="FAQ").click()
    page.get_by_role("link", name="Add entry").click()
    page.get_by_label("Question").fill("Who wrote this?")
    page.get_by_label("Answer").fill("The picture desk.")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Move up: Who wrote this?").click()
    expect(page.locator(".entries li").nth(-2)).to_contain_text("Who wrote this?")
    page.get_by_label("Edit: Who wrote this?").click()
    page.get_by_label("Answer").fill("The night desk.")
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Remove: Is a verdict a proof?").click()
    page.get_by_role("button", name="Remove entry").click()
    expect(page.get_by_text("The entry is removed.")).to_be_visible()

    reader = visit()
    reader.goto("/faq")
    reader.get_by_text("Who wrote this?").click()
    expect(reader.get_by_text("The night desk.")).to_be_visible()
    expect(reader.get_by_text("Is a verdict a proof?")).to_have_count(0)


def test_an_upload_completes_by_itself_when_serving_is_back(
    visit: Callable[..., Page], serving: Serving
) -> None:
    page = visit()
    register(page, "patient")
    with serving.down():
        check(page, CHINA)
        expect(page.get_by_role("heading", name="Waiting")).to_be_visible()
        expect(page.get_by_text("Your image is stored")).to_be_visible()
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text(re.compile("Likely real|Likely fake|Uncertain"), timeout=COMPLETION_MS)
    expect_verdict(page)


def test_a_page_that_waits_takes_away_nothing_that_is_written(
    visit: Callable[..., Page], serving: Serving
) -> None:
    page = visit()
    register(page, "writer")
    with serving.down():
        check(page, CHINA)
        expect(page.get_by_role("heading", name="Waiting")).to_be_visible()
        page.get_by_label("Note").fill("Ask the agency.")
    deadline = time.monotonic() + COMPLETION_MS / 1000
    while page.request.get(page.url, headers={"Accept": "application/json"}).json()["state"] == "pending":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    page.wait_for_timeout(2 * POLL_MS)
    expect(page.get_by_label("Note")).to_have_value("Ask the agency.")
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_text("The note is saved.")).to_be_in_viewport()
    expect_verdict(page)
