"""Take the screenshots of docs/screenshots: `python -m tests.stack.screenshots`.

All pictures in them are drawn, and their verdicts are made up, so that every state can be shown: TorchServe
is not asked. `--all FOLDER` writes every page in both widths, light and dark, for a look at a new design.
"""

import argparse
import io
import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask_migrate
import httpx
from flask import Flask
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from portal import create_app
from portal.config import Settings
from portal.extensions import db
from portal.models import User
from portal.passwords import set_password
from tests.portal.conftest import VERDICT, FakeServing
from tests.stack.browser import launch_browser
from tests.support import ROOT

PASSWORD = "correct horse battery"
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
COMMITTED = [("wide", "light"), ("phone", "dark")]
# Name of the picture, address, whether one is signed in.
PAGES = [
    ("home", "/", False),
    ("register", "/register", False),
    ("login", "/login?next=/detections", False),
    ("check", "/", True),
    ("verdict-fake", "/detections/6", True),
    ("verdict-real", "/detections/5", True),
    ("verdict-uncertain", "/detections/4", True),
    ("waiting", "/detections/7", True),
    ("history", "/detections", True),
    ("faq", "/faq", True),
    ("account", "/account", True),
    ("admin", "/admin/", True),
    ("admin-users", "/admin/users", True),
    ("admin-faq", "/admin/faq", True),
    ("not-found", "/nothing", True),
]
PROBABILITIES = [0.94, 0.22, 0.88, 0.57, 0.973, 0.031]


def portrait(number: int) -> bytes:
    """Draw a head and shoulders that resemble nobody."""
    skies = [
        (196, 214, 240),
        (236, 214, 190),
        (205, 228, 214),
        (226, 208, 232),
        (240, 228, 196),
        (60, 74, 110),
    ]
    skins = [(240, 205, 178), (196, 144, 108), (128, 86, 62), (226, 184, 150)]
    sky, skin = skies[number % 6], skins[number % 4]
    image = Image.new("RGB", (960, 720), sky)
    draw = ImageDraw.Draw(image)
    draw.ellipse((560, -120, 1100, 420), fill=tuple(min(255, value + 14) for value in sky))
    draw.rounded_rectangle((230, 520, 730, 900), 150, fill=(40 + 30 * number, 70, 130 - 12 * number))
    draw.rectangle((425, 430, 535, 580), fill=tuple(value - 22 for value in skin))
    draw.ellipse((330, 80, 630, 420), fill=(52 + 18 * number, 40, 34))
    draw.ellipse((350, 130, 610, 500), fill=skin)
    for x in (420, 540):
        draw.ellipse((x - 24, 282, x + 24, 308), fill=(250, 250, 250))
        draw.ellipse((x - 11, 283, x + 11, 307), fill=(48, 60, 70))
        draw.arc((x - 34, 246, x + 34, 290), 200, 340, fill=(70, 50, 40), width=9)
    draw.line((480, 310, 466, 372, 490, 378), fill=tuple(value - 50 for value in skin), width=7)
    draw.arc((430, 372, 530, 446), 25, 155, fill=(160, 62, 66), width=11)
    data = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(0.8)).save(data, "JPEG", quality=90)
    return data.getvalue()


def verdict(probability: float, number: int) -> httpx.Response:
    """Answer as TorchServe would, with a heatmap around a part of the face."""
    confidence = max(probability, 1 - probability)
    # The middle of the drawn face lies in column 3, row 2.5 of the grid.
    grid = [
        [max(0.0, 1 - ((x - 3) ** 2 + (y - 1.8 - number % 3 / 2) ** 2) / 4) for x in range(7)]
        for y in range(7)
    ]
    return httpx.Response(
        200,
        json=VERDICT
        | {
            "label": "real" if probability >= 0.5 else "fake",
            "probability_real": probability,
            "confidence": confidence,
            "certainty": "high" if confidence > 0.9 else "moderate" if confidence > 0.7 else "low",
            "heatmap": {"method": "grad-cam", "grid": grid},
        },
    )


@contextmanager
def portal() -> Iterator[str]:
    """Run a portal with an administrator, some users and detections in every state; gives its address."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serving = FakeServing(folder / "key_file.json")
        settings = Settings(
            database_url=f"sqlite:///{folder}/portal.db",
            secret_key="for screenshots only",
            upload_folder=folder / "uploads",
            torchserve_key_file=serving.key_file,
        )
        app = create_app(settings, serving.transport)
        with app.app_context():
            flask_migrate.upgrade()
            _add_users()
            _upload(app, serving)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            with app.app_context():
                db.engine.dispose()


def take(browser: Browser, address: str, folder: Path, size: str, scheme: str) -> None:
    """Write every page in one size and colour scheme."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    inside = False
    for name, path, signed_in in PAGES:
        if signed_in and not inside:
            _sign_in(page, address)
            inside = True
        page.goto(address + path, wait_until="networkidle")
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        # A palette keeps the repository small.
        picture.quantize(256).save(folder / f"{name}-{size}-{scheme}.png", optimize=True)
    context.close()


def _add_users() -> None:
    for name, is_admin in (("desk", True), ("amira", False), ("jonas", False), ("photo-team", False)):
        user = User(name=name, is_admin=is_admin)
        set_password(user, PASSWORD)
        db.session.add(user)
    db.session.commit()


def _upload(app: Flask, serving: FakeServing) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post("/login", data={"name": "desk", "password": PASSWORD})
    for number, probability in enumerate([*PROBABILITIES, None]):
        if probability is None:
            serving.fail(503)
        else:
            answer = verdict(probability, number)
            serving.answer = lambda _, answer=answer: answer  # type: ignore[misc]
        client.post(
            "/detections", data={"image": (io.BytesIO(portrait(number)), f"portrait-{number + 1}.jpg")}
        )
    app.config["WTF_CSRF_ENABLED"] = True


def _sign_in(page: Page, address: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("User name").fill("desk")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every size and scheme, into this folder")
    everywhere = parser.parse_args().all
    folder = everywhere or ROOT / "docs/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(size, scheme) for size in SIZES for scheme in ("light", "dark")] if everywhere else COMMITTED
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with portal() as address, sync_playwright() as playwright:
        browser = launch_browser(playwright)
        for size, scheme in wanted:
            take(browser, address, folder, size, scheme)
        browser.close()
    print(f"{len(wanted) * len(PAGES)} pictures in {folder}")  # noqa: T201


if __name__ == "__main__":
    main()
