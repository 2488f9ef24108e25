"""What people who verify images do in a real browser: many uploads, evidence, history, reports, privacy."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect

from tests.stack import test_browser
from tests.support import CHINA, FLOWER

address, browser, visit = test_browser.address, test_browser.browser, test_browser.visit
check, expect_verdict, register = test_browser.check, test_browser.expect_verdict, test_browser.register

MANY = 100
MANY_MS = 300_000
PHONE = {"width": 390, "height": 844}
VERDICTS = re.compile("Likely real|Likely fake|Uncertain")


def drawings(folder: Path, number: int) -> list[Path]:
    """Small pictures, no two alike."""
    paths = []
    for each in range(number):
        image = Image.new("RGB", (160, 160), (200 - each, 120, 90 + each))
        ImageDraw.Draw(image).ellipse((40, 20, 120, 120), fill=(230, 190 - each, 160))
        paths.append(folder / f"drawing-{each:03}.png")
        image.save(paths[-1])
    return paths


def choose(page: Page, paths: list[Path]) -> None:
    page.get_by_label("Choose an image").set_input_files(paths)


def rows(page: Page, state: str) -> Locator:
    return page.locator(f".queue-row[data-state={state}]")


def test_a_hundred_images_are_checked_without_leaving_the_page(
    visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit()
    register(page, "bulk")
    (tmp_path / "notes.jpg").write_text("not an image")
    choose(page, [*drawings(tmp_path, MANY), tmp_path / "notes.jpg"])
    page.get_by_role("button", name=f"Check {MANY + 1} images").click()
    expect(page.get_by_text(f"{MANY} of {MANY + 1} checked, 1 failed")).to_be_visible(timeout=MANY_MS)
    expect(page.locator(".queue-row .badge:visible")).to_have_count(MANY)
    expect(rows(page, "failed")).to_contain_text("This is not an image that can be read.")
    assert page.evaluate("document.querySelector('[data-total]').position") == 1
    assert page.url.endswith("/")
    with page.expect_file_chooser():
        page.get_by_role("button", name="Choose more images").click()
    page.get_by_role("link", name="History").first.click()
    expect(page.get_by_text(f"Images: {MANY}.")).to_be_visible()


def test_failed_uploads_are_retried_and_running_ones_cancelled(
    visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit()
    register(page, "retry")
    upload = re.compile(r"/detections$")
    page.route(upload, lambda route: route.fulfill(status=200, content_type="text/html", body="Sign in"))
    choose(page, drawings(tmp_path, 2))
    page.get_by_role("button", name="Check 2 images").click()
    expect(rows(page, "failed")).to_have_count(2)
    expect(page.get_by_text("You were signed out.").first).to_be_visible()
    page.unroute(upload)
    # By keyboard: a button that goes away leaves the focus on the page, and near it.
    page.get_by_role("button", name="Retry failed").press("Enter")
    expect(rows(page, "done")).to_have_count(2)
    expect(page.get_by_role("button", name="Choose more images")).to_be_focused()

    page.get_by_role("button", name="Clear list").press("Enter")
    expect(page.get_by_label("Choose an image")).to_be_focused()
    page.route(upload, lambda _: None)  # no answer comes
    choose(page, [CHINA, FLOWER, *drawings(tmp_path, 4)[2:]])
    page.get_by_role("button", name="Check 4 images").click()
    page.get_by_role("button", name="Cancel: flower.jpg").press("Enter")
    expect(page.get_by_role("button", name="Retry: flower.jpg")).to_be_focused()
    page.get_by_role("button", name="Cancel all").click()
    expect(rows(page, "cancelled")).to_have_count(4)
    page.unroute(upload)
    page.get_by_role("button", name="Retry: flower.jpg").click()
    expect(rows(page, "done")).to_have_count(1)
    expect(page.get_by_text("1 of 4 checked")).to_be_visible()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_images_are_dropped_and_pasted(visit: Callable[..., Page], way: str) -> None:
    page = visit()
    register(page, f"by-{way}")
    page.wait_for_load_state()  # by then the page listens
    page.evaluate(
        """([way, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "handed.jpg", { type: "image/jpeg" }));
            const event = way === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
            document.body.dispatchEvent(event);
        }""",
        [way, list(CHINA.read_bytes())],
    )
    expect(page.get_by_text("handed.jpg")).to_be_visible()
    page.get_by_role("button", name="Check this image").click()
    page.wait_for_url(re.compile(r"/detections/\d+$"))
    expect_verdict(page)


def test_an_address_inside_the_network_is_refused(visit: Callable[..., Page], address: str) -> None:
    page = visit()
    register(page, "surfer")
    page.get_by_label("Or give the address of an image").fill(f"{address}/static/mark.svg")
    page.get_by_role("button", name="Fetch and check").click()
    expect(rows(page, "failed")).to_contain_text(re.compile(r"Port \d+ is not allowed"))
    page.get_by_label("Or give the address of an image").fill("http://127.0.0.1/photo.jpg")
    page.get_by_role("button", name="Fetch and check").click()
    expect(page.get_by_text("127.0.0.1 is not a public address.")).to_be_visible()


def test_several_images_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    register(page, "plain")
    choose(page, [CHINA, FLOWER])
    page.get_by_role("button", name="Check this image").click()
    expect(page.get_by_text("Images taken: 2.")).to_be_visible()
    for _ in range(60):
        if page.locator(".badge.pending").count() == 0:
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(page.locator(".card .badge")).to_have_text([VERDICTS, VERDICTS])


def test_the_verdict_page_enlarges_notes_and_takes_objections(visit: Callable[..., Page]) -> None:
    page = visit()
    register(page, "reader")
    check(page, CHINA)
    expect_verdict(page)
    expect(
        page.get_by_text(re.compile(r"wrong in (about \d+|fewer than 1) of 100 such cases"))
    ).to_be_visible()
    expect(page.get_by_text("No Content Credentials")).to_be_visible()

    before = page.locator(".stage-image").bounding_box() or {}
    frame = page.locator(".stage").bounding_box()
    page.get_by_label("Zoom").fill("300")
    after = page.locator(".stage-image").bounding_box() or {}
    assert after["width"] == pytest.approx(3 * before["width"], rel=0.02)
    assert after["height"] == pytest.approx(3 * before["height"], rel=0.02)
    assert page.locator(".stage").bounding_box() == pytest.approx(frame, abs=1)
    heat = page.locator(".stage-heat").bounding_box()
    assert heat == pytest.approx(after, abs=1)

    page.get_by_label("Opacity").press("Home")
    expect(page.locator(".stage-heat")).to_have_css("opacity", "0")
    page.get_by_label("Zoom").press("Home")
    page.locator(".stage").press("+")
    expect(page.get_by_label("Zoom")).to_have_value("150")
    page.locator(".stage").press("Control++")  # the browser's own
    expect(page.get_by_label("Zoom")).to_have_value("150")

    page.get_by_label("Note").fill("Ask the agency.")
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_label("Note")).to_have_value("Ask the agency.")
    page.get_by_text("This is wrong").click()
    verdict = page.get_by_role("heading", level=1).inner_text()
    page.get_by_label("real" if "fake" in verdict else "fake", exact=True).check()
    page.get_by_label("How do you know?").fill("I took it.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("You said: this is")).to_be_visible()


def test_the_history_is_searched_selected_and_exported(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit()
    register(page, "archive")
    for image in (CHINA, FLOWER):
        check(page, image)
    page.get_by_role("link", name="History").first.click()
    page.get_by_label("Name or note").fill("FLOW")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".card")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert "flower.jpg" in download.value.path().read_text()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_text("Delete selected")).to_be_hidden()
    page.get_by_label("Select all on this page").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_text("Delete selected").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Deleted for good: 2.")).to_be_visible()
    expect(page.get_by_text("No images yet")).to_be_visible()


def test_a_phone_shows_the_verdict_and_the_images_before_all_else(visit: Callable[..., Page]) -> None:
    page = visit(viewport=PHONE, is_mobile=True, has_touch=True)
    register(page, "phone")
    expect(page.get_by_text("Take a photo")).to_be_visible()
    expect(page.get_by_text("drop them here")).to_be_hidden()
    check(page, FLOWER)
    expect(page.locator(".verdict-title")).to_be_in_viewport()
    expect(page.locator(".probability-foot")).to_be_in_viewport()
    page.get_by_role("link", name="History").first.click()
    expect(page.locator(".card")).to_be_in_viewport()
    expect(page.get_by_label("Verdict", exact=True)).to_be_hidden()
    page.locator("summary", has_text="Filter and sort").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Verdict", exact=True).select_option("pending")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page.get_by_label("Verdict", exact=True)).to_have_value("pending")
    expect(page.get_by_label("Verdict", exact=True)).to_be_visible()


def test_what_is_shown_once_is_copied_with_a_button(visit: Callable[..., Page]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    register(page, "copier")
    page.goto("/account/keys")
    page.get_by_label("Name", exact=True).fill("Night desk")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".secret").inner_text()


def test_a_report_is_shared_and_the_link_revoked(visit: Callable[..., Page]) -> None:
    page = visit()
    register(page, "sharer")
    check(page, FLOWER)
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    page.get_by_role("link", name="Share", exact=True).click()
    page.get_by_role("button", name="Make a link").click()
    link = page.locator(".secret").inner_text()

    reader = visit()
    reader.goto(link)
    expect(reader.get_by_role("heading", name="flower.jpg")).to_be_visible()
    expect(reader.locator(".verdict-title")).to_have_text(VERDICTS)
    assert test_browser.shown(reader, ".report-pictures img")
    # German words are long: the tables stay inside the page and the padding of the report on a phone, too.
    phone = visit(viewport=PHONE, locale="de-DE")
    phone.goto(link)
    expect(phone.get_by_text("Erkannter Anteil je Bildsatz")).to_be_visible()
    ends = phone.evaluate("[...document.querySelectorAll('table')].map(e => e.getBoundingClientRect().right)")
    assert max(ends) <= PHONE["width"] - 32
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The link works no longer.")).to_be_visible()
    assert httpx.get(link).status_code == 404


def test_an_image_is_judged_without_being_kept(visit: Callable[..., Page]) -> None:
    page = visit()
    register(page, "private")
    page.get_by_role("link", name="Account of private").click()
    page.get_by_role("link", name="Privacy settings").click()
    page.get_by_label("Keep my images and verdicts").select_option("0")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your choice is saved.")).to_be_visible()
    check(page, CHINA)
    expect_verdict(page)
    expect(page.get_by_text("The image was deleted after it was judged")).to_be_visible()
    page.goto("/account/privacy")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my data").click()
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert archive.namelist() == ["account.json", "detections.json"]
    assert b"china.jpg" in archive.read("detections.json")
