"""Usage: the figures of a period are right, day by day, and the charts draw them."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import charts, usage
from portal.extensions import db
from portal.models import Detection, Image, Status, now

Add = Callable[..., None]


@pytest.fixture
def add(app: Flask, admin: int) -> Add:
    """Put a judged detection into the database: add(days=3, label="fake", duration_ms=80)."""
    with app.app_context():
        db.session.add(Image(sha256="a" * 64, format="PNG", width=1, height=1, size_bytes=1))
        db.session.commit()

    def one(days: int = 0, **values: Any) -> None:
        with app.app_context():
            defaults = {"user_id": admin, "status": Status.DONE, "label": "real", "certainty": "high"}
            noon = now().replace(hour=12, minute=0) - timedelta(days=days)
            db.session.add(
                Detection(sha256="a" * 64, filename="a.png", created_at=noon, **(defaults | values))
            )
            db.session.commit()

    return one


def test_days_hold_what_happened_on_them(app: Flask, add: Add) -> None:
    add(days=0)
    add(days=2, label="fake")
    add(days=2, label="fake", certainty="low")
    add(days=2, label=None, certainty=None, status=Status.FAILED)
    add(days=2, label=None, certainty=None, status=Status.PENDING)
    add(days=9)
    with app.app_context():
        rows, whole = usage.over_time(usage.first_day(3))
    assert [row.first for row in rows] == [now().date() - timedelta(days=ago) for ago in (2, 1, 0)]
    assert rows[0].counts == {"real": 0, "fake": 1, "uncertain": 1, "failed": 1, "pending": 1}
    assert sum(rows[1].counts.values()) == 0
    assert whole.counts == {"real": 1, "fake": 1, "uncertain": 1, "failed": 1, "pending": 1}
    assert (whole.total, whole.judged, whole.failed_share) == (5, 3, 0.25)
    assert rows[2].counts == {"real": 1, "fake": 0, "uncertain": 0, "failed": 0, "pending": 0}


def test_weeks_hold_what_happened_in_them(app: Flask, add: Add) -> None:
    for ago in (0, 6, 7, 13, 14):
        add(days=ago, duration_ms=ago)
    with app.app_context():
        (before, last), whole = usage.over_time(usage.first_day(14), 7)
    today = now().date()
    assert (before.first, before.last) == (today - timedelta(days=13), today - timedelta(days=7))
    assert (last.first, last.last) == (today - timedelta(days=6), today)
    assert (before.total, before.median_ms, before.slow_ms) == (2, 7, 13)
    assert (last.total, last.median_ms, last.slow_ms) == (2, 0, 6)
    assert (whole.total, whole.median_ms, whole.slow_ms) == (4, 6, 13)


def test_times_are_the_nearest_ranks(app: Flask, add: Add) -> None:
    for number in range(1, 101):
        add(duration_ms=number)
    add(days=1, duration_ms=7)
    with app.app_context():
        (yesterday, today), both = usage.over_time(usage.first_day(2))
    assert (today.median_ms, today.slow_ms) == (50, 95)
    assert (yesterday.median_ms, yesterday.slow_ms) == (7, 7)
    assert (both.judged, both.median_ms, both.slow_ms) == (101, 50, 95)


def test_nothing_happened(app: Flask, admin: int) -> None:
    with app.app_context():
        figures = usage.last_day()
        assert (figures.total, figures.median_ms, figures.slow_ms, figures.failed_share) == (
            0,
            None,
            None,
            None,
        )
        assert usage.waiting() == usage.Waiting(0, None)
        assert usage.per_user(usage.first_day(7)) == []


def test_the_busiest_users_come_first(app: Flask, add: Add, add_user: Callable[..., int]) -> None:
    bob = add_user("bob")
    for _ in range(4):
        add(user_id=bob)
    add()
    add(status=Status.FAILED)
    with app.app_context():
        people = usage.per_user(usage.first_day(7))
    assert [(each.name, each.detections, each.failed, each.share) for each in people] == [
        ("bob", 4, 0, 1.0),
        ("root", 2, 1, 0.5),
    ]


def test_what_waits_is_counted_from_the_oldest(app: Flask, add: Add) -> None:
    add(days=3, status=Status.PENDING)
    add(days=1, status=Status.PENDING)
    with app.app_context():
        waiting = usage.waiting()
    assert waiting.count == 2
    assert waiting.since is not None
    assert waiting.since.date() == now().date() - timedelta(days=3)


@pytest.mark.parametrize(("days", "spans"), [(7, 7), (30, 30), (91, 13)])
def test_the_page_holds_every_number_as_text(client: FlaskClient, add: Add, days: int, spans: int) -> None:
    add(days=days - 1, label="fake", duration_ms=1234)
    text = client.get(f"/admin/usage?days={days}").get_data(as_text=True)
    assert "1 likely fake" in text
    assert "1.2 s" in text
    assert text.count('<th scope="row">') == spans + 1
    assert "style=" not in text


@pytest.mark.parametrize("query", ["days=8", "days=-1", "days=100000"])
def test_other_periods_do_not_exist(client: FlaskClient, admin: int, query: str) -> None:
    assert client.get(f"/admin/usage?{query}").status_code == 404


def test_stacks_fill_their_share_of_the_height() -> None:
    chart = charts.stacked([{"a": 3, "b": 1}, {"a": 0, "b": 0}], ("a", "b"))
    assert chart.scale == (4, 3, 2, 1, 0)
    first, second = chart.bars
    below, above = first.pieces
    assert (below.series, below.y + below.height) == ("a", charts.HEIGHT)
    assert (above.series, above.y, above.y + above.height) == ("b", 0, below.y)
    assert second.pieces == ()
    assert second.x == first.x + 50


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (0, (4, 3, 2, 1, 0)),
        (5, (5, 4, 3, 2, 1, 0)),
        (6, (6, 4, 2, 0)),
        (21, (25, 20, 15, 10, 5, 0)),
        (1999, (2000, 1500, 1000, 500, 0)),
    ],
)
def test_the_axis_has_round_numbers_and_little_above_the_bars(value: int, numbers: tuple[int, ...]) -> None:
    assert charts.scale(value) == numbers


def test_a_month_with_one_busy_day_has_that_day_named_and_zeros_beside_it(
    client: FlaskClient, add: Add
) -> None:
    for _ in range(3):
        add(days=4, label="fake", duration_ms=1234)
    text = client.get("/admin/usage?days=30").get_data(as_text=True)
    verdicts, times, failures = re.findall(r'class="panel chart-panel".*?</section>', text, re.DOTALL)
    assert verdicts.count('class="chart-zero"') == 29
    assert re.findall(r'class="chart-peak".*?>(.*?)<', verdicts) == ["3"]
    assert times.count('class="chart-zero"') == 0
    assert re.findall(r"<span>(.*?)</span>", times) == ["1.5 s", "1 s", "0.5 s", "0 s"]
    assert "Nothing in this time." in failures


@pytest.mark.parametrize(
    ("bars", "dated"), [(1, [0]), (7, [*range(7)]), (13, [*range(0, 13, 2)]), (30, [*range(4, 30, 5)])]
)
def test_so_many_dates_stand_below_a_chart_as_there_is_room_for(bars: int, dated: list[int]) -> None:
    assert list(charts.stacked([{"a": 1}] * bars, ("a",)).dated) == dated


def test_texts_at_the_ends_of_a_chart_stay_inside() -> None:
    bars = charts.stacked([{"a": 1}] * 30, ("a",)).bars
    assert (bars[0].anchor, bars[0].text_x) == ("start", bars[0].x)
    assert (bars[-1].anchor, bars[-1].text_x) == ("end", bars[-1].x + bars[-1].width)
    assert bars[0].x < bars[15].x + bars[15].width / 2 == bars[15].text_x


def test_first_day_counts_today() -> None:
    assert usage.first_day(1) == now().date()
    assert isinstance(usage.first_day(7), date)
