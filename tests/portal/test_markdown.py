"""Markdown: what administrators can format, and what never reaches a reader."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.markdown import markdown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Some **bold** and *slanted* text", "<p>Some <strong>bold</strong> and <em>slanted</em> text</p>"),
        ("### Part\n\n- one\n- two", "<h3>Part</h3>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>"),
        ("One.\r\n\r\nTwo.", "<p>One.</p>\n<p>Two.</p>"),
        ("| a |\n| - |\n| 1 |", "<th>a</th>"),
        ("[here](/faq)", '<a href="/faq" rel="noopener noreferrer">here</a>'),
    ],
)
def test_text_is_formatted(text: str, html: str) -> None:
    assert html in markdown(text)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![picture](https://elsewhere.example/spy.png)",
        "[click](javascript:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        '<a href="/" style="position:fixed" onclick="alert(1)">x</a>',
        "# The page has its own title",
    ],
)
def test_nothing_dangerous_is_left(text: str) -> None:
    html = markdown(text)
    for forbidden in ("<script", "<img", "<h1", ' href="javascript', ' href="data', '<a href="/" style'):
        assert forbidden not in html


def test_the_preview_shows_the_entry_and_saves_nothing(app: Flask, client: FlaskClient, admin: int) -> None:
    before = client.get("/faq").get_data(as_text=True)
    data = {"question": "New?", "answer": "It is **so**.", "preview": "1"}
    page = client.post("/admin/faq/new", data=data)
    assert page.status_code == 200
    assert "It is <strong>so</strong>." in page.get_data(as_text=True)
    assert "It is **so**.</textarea>" in page.get_data(as_text=True)
    assert "New?" not in client.get("/faq").get_data(as_text=True)
    assert before.count("<details") == client.get("/faq").get_data(as_text=True).count("<details")
