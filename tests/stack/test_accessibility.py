"""Every page against WCAG 2.2 AA, with axe-core in a real browser; and the whole way by keyboard alone."""

import re
from collections.abc import Callable
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from benchmarks.filling import Subjects
from benchmarks.visits import Visit, visits
from portal import create_app
from portal.config import Settings
from tests.stack import test_browser
from tests.support import CHINA, FLOWER

address, browser, visit = test_browser.address, test_browser.browser, test_browser.visit
check, expect_verdict, register = test_browser.check, test_browser.expect_verdict, test_browser.register

SIZES = {"phone": (390, 844), "wide": (1440, 900)}
STANDARD = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]}
# axe leaves these out unless they are asked for.
ALSO = {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}}
EVERYTHING = {"runOnly": STANDARD, "rules": ALSO, "resultTypes": ["violations"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
# What only administrators get, or what looks different for them.
OF_ADMINISTRATORS = re.compile(r"/$|/admin\b")
FOR_VISITORS = re.compile(r"/(login|register|reset-password|shared)\b")
TABS = 80


def violations(page: Page) -> list[str]:
    """What axe finds on the page that is open, in both sizes and colour schemes."""
    found = []
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme, rules in (("light", EVERYTHING), ("dark", COLOURS)):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            for violation in Axe().run(page, options=rules).response["violations"]:
                for node in violation["nodes"]:
                    where = f"{page.url} ({size}, {scheme}): {node['target']}"
                    found.append(f"{where}\n  {violation['id']}: {node['failureSummary']}")
    page.emulate_media(color_scheme="light")
    return found


def the_way_of_a_user(page: Page) -> list[str]:
    """Make everything that a page can show, and look at what is shown only once."""
    found = []
    register(page, "ada")
    check(page, CHINA)
    expect_verdict(page)
    page.get_by_label("Note").fill("Ask the agency.")
    page.get_by_role("button", name="Save note").click()
    page.get_by_text("This is wrong").click()
    found += violations(page)
    page.get_by_label("real" if "fake" in page.locator("h1").inner_text() else "fake", exact=True).check()
    page.get_by_role("button", name="Send").click()
    page.goto("/detections/1/shares")
    page.get_by_role("button", name="Make a link").click()
    found += violations(page)
    for path, label, value, button in (
        ("/account/keys", "Name", "Night desk", "Make a key"),
        ("/account/webhooks", "Address", "https://desk.example/unmask", "Add the webhook"),
    ):
        page.goto(path)
        page.get_by_label(label, exact=True).fill(value)
        page.get_by_role("button", name=button).click()
        found += violations(page)
    page.goto("/account/webhooks/1")
    page.get_by_role("button", name="Send a test").click()
    return found


def pages_of(who: str, subjects: Subjects, folder: Path) -> list[Visit]:
    """The addresses at which somebody may find a page."""
    app = create_app(Settings(database_url=f"sqlite:///{folder}/portal.db", secret_key="for tests only"))
    for_them = {
        "visitor": re.compile("").match,
        "user": lambda path: not FOR_VISITORS.match(path),
        "admin": OF_ADMINISTRATORS.match,
    }[who]
    return [
        each
        for each in visits(app, subjects)
        if each.who == who and "?" not in each.path and for_them(each.path)
    ]


def test_no_page_violates_wcag(visit: Callable[..., Page], tmp_path: Path) -> None:
    people = {who: visit() for who in ("visitor", "user", "admin")}
    found = the_way_of_a_user(people["user"])
    people["user"].goto("/detections/1/shares")
    people["user"].get_by_role("button", name="Make a link").click()
    share = people["user"].locator(".secret").inner_text()
    forgetful = visit()
    register(forgetful, "forgetful")
    admin = people["admin"]
    test_browser.sign_in(admin, "chief")
    check(admin, FLOWER)
    admin.goto("/admin/users/3")
    admin.get_by_text("Reset password", exact=True).first.click()
    admin.get_by_role("button", name="Reset password").click()
    link = admin.locator(".secret").inner_text()
    found += violations(admin)
    subjects = Subjects(
        user="ada",
        admin="chief",
        detections={"ada": 1, "chief": 2},
        user_id=2,
        feedback_id=1,
        webhooks={"ada": 1, "chief": 1},
        entry_id=1,
        share_token=share.rpartition("/")[2],
        reset_token=link.rpartition("/")[2],
        api_key="",
    )
    seen = 0
    for who, page in people.items():
        for each in pages_of(who, subjects, tmp_path):
            head = page.request.head(each.path)
            assert head.status == 200, each
            if head.headers["content-type"].startswith("text/html"):
                page.goto(each.path)
                found += violations(page)
                seen += 1
    assert found == [], "\n".join(["", *found])
    assert seen > 30


def go_to(page: Page, target: Locator) -> None:
    """Press Tab until something has the focus."""
    expect(target).to_be_visible()
    for _ in range(TABS):
        if target.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{TABS} times Tab do not lead to {target} on {page.url}")


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    go_to(page, target)
    page.keyboard.press(key)


def write(page: Page, target: Locator, text: str) -> None:
    go_to(page, target)
    page.keyboard.type(text)


def test_the_whole_way_is_gone_by_keyboard_alone(visit: Callable[..., Page]) -> None:
    page = visit()
    press(page, page.get_by_role("banner").get_by_role("link", name="Create account"))
    write(page, page.get_by_label("User name"), "hands-free")
    write(page, page.get_by_label("Password", exact=True), test_browser.PASSWORD)
    write(page, page.get_by_label("Repeat the password"), test_browser.PASSWORD)
    page.keyboard.press("Enter")

    # What the system's dialog does once Enter has opened it.
    with page.expect_file_chooser() as chooser:
        press(page, page.get_by_label("Choose an image"))
    chooser.value.set_files(CHINA)
    press(page, page.get_by_role("button", name="Check this image"))
    expect_verdict(page)

    press(page, page.get_by_role("link", name="History").first)
    press(page, page.get_by_role("link", name="china.jpg"))
    expect_verdict(page)
    press(page, page.locator("summary", has_text="This is wrong"))
    wanted = "real" if "fake" in page.locator("h1").inner_text() else "fake"
    press(page, page.get_by_role("radio").first, "Space")
    for _ in range(page.get_by_role("radio").count()):
        if page.get_by_role("radio", name=wanted).is_checked():
            break
        page.keyboard.press("ArrowDown")
    write(page, page.get_by_label("How do you know?"), "I took it.")
    press(page, page.get_by_role("button", name="Send"))
    expect(page.get_by_text("You said: this is")).to_be_visible()
    press(page, page.get_by_role("button", name="Sign out"))
    expect(page.get_by_text("You are signed out.")).to_be_visible()
