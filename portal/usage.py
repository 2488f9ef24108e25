"""Figures of a period: detections by day, verdict and user, the time they took, what failed, what waits."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, select

from portal.extensions import db
from portal.models import Detection, Status, User, now

PEOPLE = 10
# The share of verdicts that took no longer than the "slow" time.
SLOW = 95


@dataclass(frozen=True)
class Day:
    """One day in UTC: counts by verdict, and half and 95 % of its verdicts took no longer than these."""

    date: date
    counts: dict[str, int]
    median_ms: int | None
    slow_ms: int | None


@dataclass(frozen=True)
class Figures:
    """Counts and times of a period."""

    judged: int
    failed: int
    median_ms: int | None
    slow_ms: int | None

    @property
    def failed_share(self) -> float | None:
        """Which share of the finished detections failed."""
        finished = self.judged + self.failed
        return self.failed / finished if finished else None


@dataclass(frozen=True)
class Person:
    """How much one user had judged; `share` is of the busiest user's."""

    id: int
    name: str
    detections: int
    failed: int
    share: float


@dataclass(frozen=True)
class Waiting:
    """How many detections wait for a verdict, and since when the first of them."""

    count: int
    since: datetime | None


def first_day(days: int) -> date:
    """Return the first of the last `days` days, today included."""
    return now().date() - timedelta(days=days - 1)


def per_day(since: date) -> list[Day]:
    """Return every day from `since` to today, with or without detections."""
    day = _day()
    kind = _kind().label("kind")
    counted = select(day, kind, func.count()).where(_from(since)).group_by(day, kind)
    counts: dict[str, dict[str, int]] = {}
    for name, verdict, count in db.session.execute(counted):
        counts.setdefault(str(name), {})[verdict] = count
    times = _times(day, since)
    dates = [since + timedelta(days=number) for number in range((now().date() - since).days + 1)]
    empty = {"real": 0, "fake": 0, "uncertain": 0, "failed": 0, "pending": 0}
    return [
        Day(each, empty | counts.get(str(each), {}), *times.get(str(each), (None, None))) for each in dates
    ]


def figures(since: date) -> Figures:
    """Return the figures of all days from `since` to today."""
    return _figures(datetime(since.year, since.month, since.day, tzinfo=UTC))


def last_day() -> Figures:
    """Return the figures of the last 24 hours."""
    return _figures(now() - timedelta(days=1))


def per_user(since: date) -> list[Person]:
    """Return the users with the most detections since a day, busiest first."""
    count, failed = func.count(), func.sum(case((Detection.status == Status.FAILED, 1), else_=0))
    rows = db.session.execute(
        select(User.id, User.name, count, failed)
        .join(Detection, Detection.user_id == User.id)
        .where(_from(since))
        .group_by(User.id, User.name)
        .order_by(count.desc(), User.name)
        .limit(PEOPLE)
    ).all()
    most = rows[0][2] if rows else 1
    return [Person(user_id, name, total, bad, total / most) for user_id, name, total, bad in rows]


def waiting() -> Waiting:
    """Return what waits now."""
    pending = select(func.count(), func.min(Detection.created_at)).where(Detection.status == Status.PENDING)
    count, since = db.session.execute(pending).one()
    return Waiting(count, since)


def _figures(start: datetime) -> Figures:
    recent = Detection.created_at >= start
    counted = select(Detection.status, func.count()).where(recent).group_by(Detection.status)
    counts = dict(db.session.execute(counted).all())
    ranked = (
        select(
            Detection.duration_ms.label("ms"),
            func.row_number().over(order_by=Detection.duration_ms).label("rank"),
            func.count().over().label("total"),
        )
        .where(recent, Detection.status == Status.DONE)
        .subquery()
    )
    median, slow = db.session.execute(select(*_ranks(ranked))).one()
    return Figures(counts.get(Status.DONE, 0), counts.get(Status.FAILED, 0), median, slow)


def _times(day: ColumnElement[Any], since: date) -> dict[str, tuple[int | None, int | None]]:
    ranked = (
        select(
            day.label("day"),
            Detection.duration_ms.label("ms"),
            func.row_number().over(partition_by=day, order_by=Detection.duration_ms).label("rank"),
            func.count().over(partition_by=day).label("total"),
        )
        .where(_from(since), Detection.status == Status.DONE)
        .subquery()
    )
    rows = db.session.execute(select(ranked.c.day, *_ranks(ranked)).group_by(ranked.c.day))
    return {str(name): (median, slow) for name, median, slow in rows}


def _ranks(ranked: Any) -> tuple[ColumnElement[int], ColumnElement[int]]:
    # The first of the ranked times that at least half, or 95 %, of all do not exceed: the nearest rank.
    def reaching(percent: int) -> ColumnElement[int]:
        return func.min(case((ranked.c.rank * 100 >= ranked.c.total * percent, ranked.c.ms)))

    return reaching(50), reaching(SLOW)


def _kind() -> ColumnElement[str]:
    return case(
        (Detection.status != Status.DONE, Detection.status),
        (Detection.certainty == "low", "uncertain"),
        else_=Detection.label,
    )


def _day() -> ColumnElement[Any]:
    if db.engine.dialect.name == "postgresql":
        return func.date(func.timezone("UTC", Detection.created_at))
    return func.date(Detection.created_at)


def _from(since: date) -> ColumnElement[bool]:
    return Detection.created_at >= datetime(since.year, since.month, since.day, tzinfo=UTC)
