"""Administration: what administrators can do, and that nobody else can."""

import re
from collections.abc import Callable
from html import unescape

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.extensions import db
from portal.models import FaqEntry, User
from tests.portal.conftest import PASSWORD, VERDICT, FakeServing, drawn, signed_in, stored, upload


def text_of(client: FlaskClient, path: str) -> str:
    return unescape(client.get(path).get_data(as_text=True))


def questions(app: Flask) -> list[str]:
    with app.app_context():
        return [entry.question for entry in db.session.query(FaqEntry).order_by(FaqEntry.position)]


def user_names(app: Flask) -> set[str]:
    with app.app_context():
        return {user.name for user in db.session.query(User)}


@pytest.fixture
def entries(app: Flask) -> list[str]:
    """A FAQ of three entries, with the numbers 101 to 103."""
    with app.app_context():
        db.session.query(FaqEntry).delete()
        for number in (1, 2, 3):
            db.session.add(
                FaqEntry(id=100 + number, position=number, question=f"Question {number}", answer="An answer.")
            )
        db.session.commit()
    return questions(app)


PAGES = [
    ("GET", "/admin/"),
    ("GET", "/admin/users"),
    ("POST", "/admin/users/1/delete"),
    ("GET", "/admin/faq"),
    ("GET", "/admin/faq/new"),
    ("POST", "/admin/faq/new"),
    ("GET", "/admin/faq/1"),
    ("POST", "/admin/faq/1"),
    ("POST", "/admin/faq/1/move"),
    ("POST", "/admin/faq/1/delete"),
    ("GET", "/admin/users/1"),
    ("POST", "/admin/users/1/disable"),
    ("POST", "/admin/users/1/enable"),
    ("POST", "/admin/users/1/make-admin"),
    ("POST", "/admin/users/1/remove-admin"),
    ("POST", "/admin/users/1/reset-password"),
    ("GET", "/admin/reviews"),
    ("GET", "/admin/reviews/1"),
    ("POST", "/admin/reviews/1"),
    ("GET", "/admin/reviews/1/image"),
    ("GET", "/admin/reviews/1/heatmap"),
    ("POST", "/admin/reviews/export"),
    ("GET", "/admin/usage"),
    ("GET", "/admin/serving"),
    ("POST", "/admin/serving/1/scale"),
    ("POST", "/admin/serving/1/default"),
    ("POST", "/admin/serving/1/unregister"),
    ("POST", "/admin/serving/register"),
    ("GET", "/admin/audit"),
]


def test_the_list_of_administration_pages_is_complete(app: Flask) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("admin.")]
    known = {(method, path.replace("/1", "/ID")) for method, path in PAGES}
    found = {
        (method, re.sub("<any.*>", "image", rule.rule).replace("<version>", "ID"))
        for rule in rules
        for method in (rule.methods or set()) & {"GET", "POST"}
    }
    found = {(method, re.sub("<id:.*?>", "ID", path)) for method, path in found}
    assert found == known


@pytest.mark.parametrize(("method", "path"), PAGES)
def test_administration_is_for_administrators(
    app: Flask, client: FlaskClient, ada: int, method: str, path: str
) -> None:
    before = questions(app)
    response = client.open(path, method=method)
    assert response.status_code == 403
    assert "This page is for administrators" in response.get_data(as_text=True)
    assert app.test_client().open(path, method=method).location.startswith("/login")
    assert questions(app) == before
    assert user_names(app) == {"ada"}


def test_totals_are_shown(client: FlaskClient, admin: int, serving: FakeServing) -> None:
    upload(client)
    serving.answer = lambda _: httpx.Response(200, json=VERDICT | {"certainty": "low"})
    upload(client, drawn("PNG"))
    text = " ".join(text_of(client, "/admin/").split())
    figures = {"Users": 1, "Images checked": 2, "Likely fake": 1, "Likely real": 0, "Uncertain": 1}
    for name, count in figures.items():
        assert f"<dt>{name}</dt><dd>{count}</dd>" in text
    assert "kB on disk" in text


def test_users_are_searched_and_paged(client: FlaskClient, admin: int, add_user: Callable[..., int]) -> None:
    for number in range(21):
        add_user(f"user-{number:02}")
    first, second = text_of(client, "/admin/users"), text_of(client, "/admin/users?page=2")
    assert "22 in all" in first
    assert "Delete user-18 " in first
    assert "user-19" not in first
    assert "Delete user-20 " in second
    found = text_of(client, "/admin/users?q=SER-07")
    assert "1 found" in found
    assert "Delete user-07 " in found
    assert "Nobody found" in text_of(client, "/admin/users?q=%25")


def test_deleting_a_user_deletes_the_data_and_ends_the_session(
    app: Flask, client: FlaskClient, admin: int, add_user: Callable[..., int]
) -> None:
    bob = add_user("bob")
    elsewhere = signed_in(app, "bob")
    upload(elsewhere)
    response = client.post(f"/admin/users/{bob}/delete", follow_redirects=True)
    assert "bob is deleted" in response.get_data(as_text=True)
    assert user_names(app) == {"root"}
    assert stored(app) == []
    assert elsewhere.get("/account").status_code == 302


def test_nobody_deletes_themselves_as_administrator(app: Flask, client: FlaskClient, admin: int) -> None:
    response = client.post(f"/admin/users/{admin}/delete")
    assert response.status_code == 409
    assert "Nobody does this to themselves here" in response.get_data(as_text=True)
    assert user_names(app) == {"root"}
    assert "Delete root" not in text_of(client, "/admin/users")


def test_one_of_two_administrators_can_go_and_the_last_cannot(
    app: Flask, client: FlaskClient, admin: int, add_user: Callable[..., int]
) -> None:
    second = add_user("second", is_admin=True)
    assert client.post(f"/admin/users/{second}/delete").status_code == 303
    assert client.post("/account/delete", data={"confirm": PASSWORD}).status_code == 409
    assert user_names(app) == {"root"}


def test_an_unknown_user_is_not_found(client: FlaskClient, admin: int) -> None:
    assert client.post("/admin/users/999/delete").status_code == 404


def test_a_new_faq_entry_comes_last_and_everybody_reads_it(
    app: Flask, client: FlaskClient, admin: int, entries: list[str]
) -> None:
    data = {"question": "Is <b>this</b> new?", "answer": "Yes.\r\n\r\nIt is."}
    client.post("/admin/faq/new", data=data)
    assert questions(app) == [*entries, "Is <b>this</b> new?"]
    page = app.test_client().get("/faq").get_data(as_text=True)
    assert "Is &lt;b&gt;this&lt;/b&gt; new?" in page
    assert "<p>Yes.</p>\n<p>It is.</p>" in page


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"question": "", "answer": "Yes."}, "Enter the question."),
        ({"question": "Why?", "answer": "  "}, "Enter the answer."),
        ({"question": "a" * 201, "answer": "Yes."}, "longer than 200"),
        ({"question": "Why?", "answer": "a" * 5001}, "longer than 5000"),
    ],
)
@pytest.mark.parametrize("path", ["/admin/faq/new", "/admin/faq/101"])
def test_a_faq_entry_needs_both_texts(
    app: Flask,
    client: FlaskClient,
    admin: int,
    entries: list[str],
    path: str,
    data: dict[str, str],
    message: str,
) -> None:
    response = client.post(path, data=data)
    assert response.status_code == 422
    assert message in response.get_data(as_text=True)
    assert questions(app) == entries


def test_a_faq_entry_is_changed(app: Flask, client: FlaskClient, admin: int, entries: list[str]) -> None:
    assert "An answer." in text_of(client, "/admin/faq/102")
    client.post("/admin/faq/102", data={"question": "Better", "answer": "Text"})
    assert questions(app) == ["Question 1", "Better", "Question 3"]


@pytest.mark.parametrize(
    ("number", "direction", "order"),
    [(102, "up", "213"), (102, "down", "132"), (101, "up", "123"), (103, "down", "123"), (103, "up", "132")],
)
def test_faq_entries_are_reordered(
    app: Flask,
    client: FlaskClient,
    admin: int,
    entries: list[str],
    number: int,
    direction: str,
    order: str,
) -> None:
    client.post(f"/admin/faq/{number}/move", data={"direction": direction})
    assert questions(app) == [f"Question {digit}" for digit in order]


def test_a_faq_entry_is_removed(app: Flask, client: FlaskClient, admin: int, entries: list[str]) -> None:
    client.post("/admin/faq/102/delete")
    assert questions(app) == ["Question 1", "Question 3"]


@pytest.mark.parametrize("path", ["", "/move", "/delete"])
def test_an_unknown_faq_entry_is_not_found(client: FlaskClient, admin: int, path: str) -> None:
    assert client.post(f"/admin/faq/999{path}", data={}).status_code == 404
