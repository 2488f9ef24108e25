"""Take the screenshots of docs/screenshots: `python -m tests.stack.screenshots`.

All pictures in them are drawn, and their verdicts are made up, so that every state can be shown: TorchServe
is not asked. Every page is taken in both widths, light and dark; `--into FOLDER` writes them elsewhere, for a
look at a new design.
"""

import argparse
import io
import logging
import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import flask_migrate
import httpx
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select
from werkzeug.serving import make_server

from portal import create_app
from portal.config import Settings
from portal.extensions import db
from portal.models import Detection, Status, User, now
from portal.models import Image as Stored
from portal.passwords import set_password
from tests.portal.conftest import VERDICT, FakeServing, upload
from tests.portal.test_serving import FakeManagement
from tests.stack.browser import launch_browser
from tests.support import ROOT

PASSWORD = "correct horse battery"
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
# Colours of a picture; a palette keeps the repository small.
COLOURS = 64
NEWCOMER, DESK, REPORTER = "newcomer", "desk", "amira"
# Name of the picture, address, who is signed in.
PAGES = [
    ("home", "/", None),
    ("register", "/register", None),
    ("login", "/login?next=/detections", None),
    ("faq", "/faq", None),
    ("not-found", "/nothing", None),
    ("check-first", "/", NEWCOMER),
    ("history-empty", "/detections", NEWCOMER),
    ("keys-empty", "/account/keys", NEWCOMER),
    ("webhooks-empty", "/account/webhooks", NEWCOMER),
    ("check", "/", DESK),
    ("verdict-fake", "/detections/6", DESK),
    ("verdict-real", "/detections/5", DESK),
    ("verdict-uncertain", "/detections/4", DESK),
    ("waiting", "/detections/8", DESK),
    ("failed", "/detections/7", DESK),
    ("report", "/detections/6/report", DESK),
    ("shares", "/detections/6/shares", DESK),
    ("history", "/detections", DESK),
    ("history-nothing-found", "/detections?q=nothing", DESK),
    ("account", "/account", DESK),
    ("privacy", "/account/privacy", DESK),
    ("keys", "/account/keys", DESK),
    ("webhooks", "/account/webhooks", DESK),
    ("webhook", "/account/webhooks/1", DESK),
    ("api", "/api/v1/docs", DESK),
    ("admin", "/admin/", DESK),
    ("admin-users", "/admin/users", DESK),
    ("admin-user", "/admin/users/2", DESK),
    ("admin-reviews", "/admin/reviews", DESK),
    ("admin-review", "/admin/reviews/1", DESK),
    ("admin-faq", "/admin/faq", DESK),
    ("admin-faq-entry", "/admin/faq/1", DESK),
    ("admin-usage", "/admin/usage", DESK),
    ("admin-serving", "/admin/serving", DESK),
    ("admin-audit", "/admin/audit", DESK),
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
            "faces": 1,
            "heatmap": {"method": "grad-cam", "grid": grid},
        },
    )


@contextmanager
def portal() -> Iterator[str]:
    """Run a portal with an administrator, some users and detections in every state; gives its address."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serving = FakeManagement(folder / "key_file.json")
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
        # Outside: within one context, Flask-Login takes everybody for whoever came last.
        _upload(app, serving)
        with app.app_context():
            _add_past()
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            with app.app_context():
                db.engine.dispose()


def take(browser: Browser, address: str, folder: Path) -> None:
    """Write every page in each size and colour scheme."""
    context = browser.new_context(base_url=address)
    page = context.new_page()
    present = None
    for name, path, who in PAGES:
        if who != present and who is not None:
            context.clear_cookies()
            _sign_in(page, who)
            present = who
        page.goto(path, wait_until="networkidle")
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.wait_for_load_state("networkidle")
                picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
                small = picture.quantize(COLOURS, dither=Image.Dither.NONE)
                small.save(folder / f"{name}-{size}-{scheme}.png", optimize=True)
    context.close()


def _add_users() -> None:
    people = ((DESK, True), (REPORTER, False), ("jonas", False), ("photo-team", False), (NEWCOMER, False))
    for name, is_admin in people:
        user = User(name=name, is_admin=is_admin)
        set_password(user, PASSWORD)
        db.session.add(user)
    db.session.commit()


def _upload(app: Flask, serving: FakeServing) -> None:
    """Do what people do, so that no page is empty."""
    app.config["WTF_CSRF_ENABLED"] = False
    desk, reporter = (_signed_in(app, name) for name in (DESK, REPORTER))
    answers = [verdict(probability, number) for number, probability in enumerate(PROBABILITIES)]
    refusal = {"code": 400, "type": "BadImage", "message": "The image cannot be decoded."}
    answers += [
        httpx.Response(400, json=refusal),
        httpx.Response(503, json={"code": 503, "type": "", "message": ""}),
    ]
    for number, answer in enumerate(answers):
        serving.answer = lambda _, answer=answer: answer  # type: ignore[misc]
        upload(desk, portrait(number), f"portrait-{number + 1}.jpg")
    serving.answer = lambda _: answers[0]
    upload(reporter, portrait(9), "courthouse-square.jpg")
    desk.post(
        "/detections/6/note", data={"note": "Sent by a reader on Monday; the agency has no such picture."}
    )
    desk.post("/detections/6/shares", data={"days": "7"})
    desk.post("/account/keys", data={"name": "Night desk script"})
    desk.post("/account/webhooks", data={"url": "https://desk.example/unmask"})
    desk.post("/account/webhooks/1/test")
    for client, number in ((reporter, len(answers) + 1), (desk, 2)):
        reason = {
            "label": "fake" if client is reporter else "real",
            "reason": "The original was published on 3 May.",
        }
        client.post(f"/detections/{number}/dispute", data=reason)
    desk.post("/admin/users/3/disable")
    app.config["WTF_CSRF_ENABLED"] = True


def _add_past(days: int = 30) -> None:
    """Add a month of verdicts whose images are gone, for the charts."""
    chance = random.Random(4)
    [image] = db.session.scalars(select(Stored).limit(1))
    for day in range(1, days):
        for _ in range(chance.randrange(4, 19)):
            time = now() - timedelta(days=day, minutes=chance.randrange(600))
            real = chance.betavariate(0.6, 0.6)
            confidence = max(real, 1 - real)
            db.session.add(
                Detection(
                    user_id=chance.choice((2, 2, 3, 4)),
                    sha256=image.sha256,
                    filename="photo.jpg",
                    image_kept=False,
                    status=Status.DONE if chance.random() > 0.05 else Status.FAILED,
                    created_at=time,
                    judged_at=time,
                    label="real" if real >= 0.5 else "fake",
                    probability_real=real,
                    confidence=confidence,
                    certainty="high" if confidence > 0.9 else "moderate" if confidence > 0.7 else "low",
                    model="deepfake",
                    model_version="1.0",
                    duration_ms=chance.randrange(80, 400),
                )
            )
    db.session.commit()


def _signed_in(app: Flask, name: str) -> FlaskClient:
    client = app.test_client()
    client.post("/login", data={"name": name, "password": PASSWORD})
    return client


def _sign_in(page: Page, name: str) -> None:
    page.goto("/login")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Check an image").wait_for()


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, metavar="FOLDER", default=ROOT / "docs/screenshots")
    folder = parser.parse_args().into
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with portal() as address, sync_playwright() as playwright:
        browser = launch_browser(playwright)
        take(browser, address, folder)
        browser.close()
    print(f"{len(SIZES) * len(SCHEMES) * len(PAGES)} pictures in {folder}")  # noqa: T201


if __name__ == "__main__":
    main()
