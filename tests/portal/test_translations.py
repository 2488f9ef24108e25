"""The portal in the reader's language: complete catalogues, the choice of a language, what stays English."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.extensions import db
from portal.faq_texts import FIRST_ENTRIES
from portal.formats import day, file_size, milliseconds, moment, number, percent
from portal.languages import LANGUAGES, english
from portal.models import FaqEntry, now
from tests.portal.conftest import PASSWORD, Auth, FakeServing, drawn, pdf_text, upload
from tests.support import ROOT

TRANSLATIONS = ROOT / "portal/translations"
TEMPLATES = ROOT / "portal/templates"
FOREIGN = [code for code in LANGUAGES if code != "en"]
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def catalogue(code: str) -> Catalog:
    with (TRANSLATIONS / code / "LC_MESSAGES/messages.po").open("rb") as file:
        return read_po(file, locale=code)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What the code says now, extracted as `make catalogues` does."""
    path = tmp_path_factory.mktemp("extracted") / "messages.pot"
    keywords = ["--keywords", "lazy_gettext", "--keywords", "marked"]
    subprocess.run(
        [
            *(Path(sys.executable).parent / "pybabel", "--quiet", "extract"),
            *("--mapping-file", "pyproject.toml", *keywords, "--output-file", path, "portal"),
        ],
        cwd=ROOT,
        check=True,
    )
    with path.open("rb") as file:
        return read_po(file)


def forms(texts: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)


def messages(code: str) -> Iterator[tuple[Message, tuple[str, ...]]]:
    return ((message, forms(message.string)) for message in catalogue(code) if message.id)


@pytest.mark.parametrize("code", FOREIGN)
def test_a_catalogue_has_every_text_and_no_other(code: str, extracted: Catalog) -> None:
    assert {message.id for message in catalogue(code)} == {message.id for message in extracted}
    unfinished = [message.id for message, texts in messages(code) if message.fuzzy or not all(texts)]
    assert unfinished == []
    assert catalogue(code).obsolete == {}


@pytest.mark.parametrize("code", FOREIGN)
def test_a_catalogue_is_compiled(code: str) -> None:
    with (TRANSLATIONS / code / "LC_MESSAGES/messages.mo").open("rb") as file:
        compiled = {forms(message.id): forms(message.string) for message in read_mo(file) if message.id}
    assert compiled == {forms(message.id): texts for message, texts in messages(code)}


@pytest.mark.parametrize("code", FOREIGN)
def test_a_translation_keeps_placeholders_and_markup(code: str) -> None:
    placeholders = re.compile(r"%\(\w+\)\w|\{\w+\}")
    # A translation may stand in an attribute, and its markup is not escaped.
    markup = re.compile(r'<[^>]*>|[<>"]')
    wrong = []
    for message, texts in messages(code):
        source = forms(message.id)
        allowed = {name for text in source for name in placeholders.findall(text)}
        if any(not set(placeholders.findall(text)) <= allowed for text in texts):
            wrong.append(message.id)
        if set(placeholders.findall(texts[-1])) != set(placeholders.findall(source[-1])):
            wrong.append(message.id)
        if any(sorted(markup.findall(text)) != sorted(markup.findall(source[-1])) for text in texts):
            wrong.append(message.id)
    assert wrong == []


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.stem)
def test_no_template_has_text_outside_the_catalogues(path: Path) -> None:
    if path.name == "docs.html":
        return  # the reference of the API is English
    names = r"Unmask|SHA-256|PDF|CSV|JSON|ROC AUC|AP|deepfake-2\.0\.mar|https://"
    text = re.sub(
        r"\{%-?\s*trans\b.*?endtrans\s*-?%\}|\{% block width %\}.*?%\}", "", path.read_text(), flags=re.S
    )
    text = re.sub(r"<code>.*?</code>|\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", "", text, flags=re.S)
    spoken = re.findall(r'(?:aria-label|placeholder|alt|title|data-text)="([^"]*)"', text)
    spoken += re.findall(r"[^<>]+", re.sub(r"<[^>]*>", "<>", text))
    assert [found for each in spoken for found in re.findall(r"[A-Za-z]{2,}", re.sub(names, "", each))] == []


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("de", "de"),
        ("de-CH", "de"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("ES-mx", "es"),
        ("ja,es;q=0.4,fr;q=0.6", "fr"),
        ("ja,zh;q=0.5", "en"),
        ("de;q=0,en", "en"),
        ("en-US,de;q=0.9", "en"),
        ("*", "en"),
        ("", "en"),
    ],
)
def test_the_browser_chooses_the_language(client: FlaskClient, header: str, code: str) -> None:
    response = client.get("/login", headers={"Accept-Language": header})
    assert f'<html lang="{code}">' in response.get_data(as_text=True)
    assert {"Accept-Language", "Cookie"} <= set(response.vary)


def test_static_files_are_the_same_in_every_language(client: FlaskClient) -> None:
    with client.get("/static/unmask.css") as response:
        assert "Accept-Language" not in response.vary


def test_a_choice_in_the_footer_wins_over_the_browser(client: FlaskClient) -> None:
    html = client.get("/faq", headers=GERMAN).get_data(as_text=True)
    assert 'href="/language/fr?next=/faq" lang="fr"' in html
    response = client.get("/language/fr?next=/faq", headers=GERMAN)
    assert response.location == "/faq"
    assert '<html lang="fr">' in client.get("/faq", headers=GERMAN).get_data(as_text=True)
    assert client.get("/language/xx").status_code == 404


@pytest.mark.parametrize(
    ("referrer", "back"),
    [
        ("http://localhost/login?next=/history", "/login?next=/history"),
        ("http://localhost/detections/1", "/detections/1"),
        # Nobody can read this one: only forms are sent to it.
        ("http://localhost/detections/url", "/"),
        ("http://example.org/login", "/"),
        ("", "/"),
    ],
)
def test_after_a_failed_form_the_choice_leads_back_to_the_form(
    client: FlaskClient, referrer: str, back: str
) -> None:
    data = {"name": "nobody", "password": "wrong"}
    html = client.post("/login", data=data, headers={"Referer": referrer}).get_data(as_text=True)
    [link] = re.findall(r'href="(/language/fr[^"]*)"', html)
    assert client.get(unescape(link)).location == back


@pytest.mark.parametrize("target", ["https://example.org/", "//example.org/", "/\\example.org"])
def test_a_choice_leads_to_no_other_site(client: FlaskClient, target: str) -> None:
    assert client.get("/language/de", query_string={"next": target}).location == "/"


def test_a_forged_cookie_does_no_harm(client: FlaskClient) -> None:
    client.set_cookie("language", "../../etc")
    assert '<html lang="de">' in client.get("/", headers=GERMAN).get_data(as_text=True)


PAGES = [
    ("/faq", "Ist ein Urteil ein Beweis?"),
    ("/", "Bild prüfen"),
    ("/detections", "Wahrscheinlich gefälscht"),
    ("/detections/1", "Bei der Messung in etwa 4 von 100 solchen Fällen falsch."),
    ("/detections/1/report", "Was dieser Bericht nicht sagt"),
    ("/detections/1/shares", "Link erstellen"),
    ("/account", "Passwort ändern"),
    ("/account/privacy", "bis ich sie lösche"),
    ("/account/keys", "Schlüssel erstellen"),
    ("/account/webhooks", "Webhook hinzufügen"),
    ("/admin/", "Geprüfte Bilder"),
    ("/admin/users", "Nach Namen suchen"),
    ("/admin/users/1", "Ihr eigener Zugang wird hier nicht geändert"),
    ("/admin/reviews", "Nichts zu prüfen"),
    ("/admin/faq/new", "Eintrag hinzufügen"),
    ("/admin/usage", "Die letzten 30 Tage, in UTC."),
    ("/admin/serving", "Modellbetrieb"),
    ("/admin/audit", "Protokoll"),
]


@pytest.mark.parametrize(("path", "text"), PAGES)
def test_pages_speak_german(client: FlaskClient, admin: int, path: str, text: str) -> None:
    upload(client)
    response = client.get(path, headers=GERMAN)
    html = unescape(response.get_data(as_text=True))
    assert response.status_code == 200
    assert '<html lang="de">' in html
    assert text in html
    assert "Ein Urteil ist eine Schätzung, kein Beweis." in html


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/", 200, "Ist dieses Gesicht echt?"),
        ("/login", 200, "Benutzername"),
        ("/nothing", 404, "Hier ist nichts"),
        ("/reset-password/none", 410, "Dieser Link gilt nicht mehr"),
    ],
)
def test_visitors_are_spoken_to_in_german(client: FlaskClient, path: str, status: int, text: str) -> None:
    response = client.get(path, headers=GERMAN)
    assert response.status_code == status
    assert text in response.get_data(as_text=True)


def test_forms_explain_mistakes_in_german(client: FlaskClient) -> None:
    given = {"name": "x", "password": "short", "repeat": "other"}
    html = client.post("/register", data=given, headers=GERMAN).get_data(as_text=True)
    assert "Ein Benutzername hat 3 bis 32 Zeichen." in html
    assert "Ein Passwort hat 10 bis 128 Zeichen." in html
    assert "Die beiden Passwörter sind nicht gleich." in html


def test_messages_of_the_forms_library_are_german(client: FlaskClient, admin: int) -> None:
    given = {"question": "?" * 201, "answer": "!"}
    html = client.post("/admin/faq/new", data=given, headers=GERMAN).get_data(as_text=True)
    assert "Feld kann nicht länger als 200 Zeichen sein." in html


def test_notices_are_german(client: FlaskClient, auth: Auth) -> None:
    given = {"name": "ada", "password": PASSWORD, "repeat": PASSWORD}
    response = client.post("/register", data=given, headers=GERMAN, follow_redirects=True)
    assert "Willkommen! Ihr Konto ist bereit" in response.get_data(as_text=True)


def test_refusals_are_german_as_a_page_and_as_json(client: FlaskClient, ada: int) -> None:
    for accept in ("text/html", "application/json"):
        answer = client.post(
            "/detections",
            data={"image": (io.BytesIO(b"no image"), "photo.jpg")},
            headers=GERMAN | {"Accept": accept},
        )
        assert answer.status_code == 422
        said = answer.json["detail"] if accept == "application/json" else answer.get_data(as_text=True)
        assert "Das ist kein lesbares Bild." in said


def test_what_was_kept_in_english_is_shown_in_german(
    client: FlaskClient, ada: int, serving: FakeServing
) -> None:
    serving.fail(500)
    upload(client)
    html = client.get("/detections/1", headers=GERMAN).get_data(as_text=True)
    assert "Der Detektor gab eine Antwort, die das Portal nicht versteht." in html


def test_the_pdf_is_in_the_language_of_the_reader(client: FlaskClient, ada: int) -> None:
    upload(client)
    for code, words in (
        ("de", "(Wahrscheinlich gefälscht)"),
        ("fr", "(Probablement falsifiée)"),
        ("es", "(Probablemente falsa)"),
    ):
        pdf = client.get("/detections/1/report.pdf", headers={"Accept-Language": code}).data
        assert f"/Lang ({code})".encode() in pdf
        text = pdf_text(pdf)
        assert words in text
        # What the fonts do not have would be a question mark.
        assert "?" not in "".join(re.findall(r"\((.*?)\) Tj", text))


def test_the_api_and_exports_stay_english(app: Flask, client: FlaskClient, admin: int) -> None:
    upload(client, drawn("PNG"))
    assert client.get("/api/v1/detections", headers=GERMAN).json["detail"].startswith("Send your API key")
    assert '<html lang="en">' in client.get("/api/v1/docs", headers=GERMAN).get_data(as_text=True)
    for kind in ("csv", "json"):
        export = client.get(f"/detections/export.{kind}", headers=GERMAN).get_data(as_text=True)
        assert "Likely fake" in export


def test_every_first_entry_of_the_faq_is_in_the_catalogues(app: Flask) -> None:
    with app.app_context():
        entries = db.session.scalars(select(FaqEntry).order_by(FaqEntry.position))
        assert tuple((entry.question, entry.answer) for entry in entries) == FIRST_ENTRIES


def test_an_edited_entry_of_the_faq_is_shown_as_it_was_written(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        entry = db.session.scalars(select(FaqEntry).order_by(FaqEntry.position)).first()
        assert entry is not None
        entry.answer = "Ask Ada."
        question = entry.question
        db.session.commit()
    html = client.get("/faq", headers=GERMAN).get_data(as_text=True)
    assert question in html
    assert "Ask Ada." in html
    assert "Ist ein Urteil ein Beweis?" in html


def test_the_faq_is_edited_in_the_language_in_which_it_is_read(
    app: Flask, client: FlaskClient, admin: int
) -> None:
    with app.app_context():
        number = {entry.question: entry.id for entry in db.session.scalars(select(FaqEntry))}
    path = f"/admin/faq/{number['Who can see my images?']}"
    assert "Wer kann meine Bilder sehen?" in client.get("/admin/faq", headers=GERMAN).get_data(as_text=True)
    page = unescape(client.get(path, headers=GERMAN).get_data(as_text=True))
    assert 'value="Wer kann meine Bilder sehen?"' in page
    assert "Alle lesen diesen Eintrag in ihrer Sprache." in page
    # As a browser sends it; saved without a change, the entry is translated still.
    answer = page.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0].lstrip()
    given = {"question": "Wer kann meine Bilder sehen?", "answer": answer.replace("\n", "\r\n")}
    client.post(path, data=given, headers=GERMAN)
    assert "Who can see my images?" in client.get("/faq").get_data(as_text=True)
    # Once changed, everybody reads it as it was written.
    client.post(path, data=given | {"question": "Wer sieht meine Bilder?"}, headers=GERMAN)
    assert "Wer sieht meine Bilder?" in client.get("/faq").get_data(as_text=True)
    assert "Alle lesen" not in client.get(path, headers=GERMAN).get_data(as_text=True)


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("en", ["1,234", "97 %", "under 1 %", "12 kB", "3 Mar 2026", "3 Mar 2026, 14:05 UTC"]),
        ("de", ["1.234", "97 %", "unter 1 %", "12 kB", "03.03.2026", "03.03.2026, 14:05 UTC"]),
        ("fr", ["1\u202f234", "97 %", "moins de 1 %", "12\u202fko", "3 mars 2026", "3 mars 2026, 14:05 UTC"]),
        ("es", ["1.234", "97 %", "menos del 1 %", "12 kB", "3 mar 2026", "3 mar 2026, 14:05 UTC"]),
    ],
)
def test_numbers_and_times_are_written_as_the_reader_does(app: Flask, code: str, written: list[str]) -> None:
    time = now().replace(year=2026, month=3, day=3, hour=14, minute=5)
    with app.test_request_context(headers={"Accept-Language": code}):
        said = [number(1234), percent(0.97), percent(0.001), file_size(12_000), day(time), moment(time)]
        assert said == written
        with english():
            assert number(1234) == "1,234"


@pytest.mark.parametrize(
    ("code", "second"), [("en", "1.2 s"), ("de", "1,2 s"), ("fr", "1,2 s"), ("es", "1,2 s")]
)
def test_durations_are_written_in_the_unit_that_fits(app: Flask, code: str, second: str) -> None:
    with app.test_request_context(headers={"Accept-Language": code}):
        assert [milliseconds(1234), milliseconds(999.4), milliseconds(999.5), milliseconds(None)] == [
            second,
            "999 ms",
            "1 s",
            "\u2013",
        ]
        assert milliseconds(200, beside=1234) == second.replace("1", "0")
