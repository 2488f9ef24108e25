"""Figures of a period: detections by day, verdict and user, the time they took, what failed, what waits."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Label, Select, case, func, select

from portal.extensions import db
from portal.models import Detection, Status, User, now

VERDICTS = ("real", "fake", "uncertain")
KINDS = (*VERDICTS, "failed", "pending")
PEOPLE = 10
# The share of verdicts that took no longer than the "slow" time.
SLOW = 95


@dataclass(frozen=True)
class Figures:
    """Counts by verdict, and the times that half and 95 % of the verdicts did not exceed, if there are any.

    Times from 100 ms on are rounded down to 10 ms.
    """

    counts: dict[str, int]
    median_ms: int | None
    slow_ms: int | None

    @property
    def total(self) -> int:
        """How many detections there are."""
        return sum(self.counts.values())

    @property
    def judged(self) -> int:
        """How many have a verdict."""
        return sum(self.counts[kind] for kind in VERDICTS)

    @property
    def failed_share(self) -> float | None:
        """Which share of the finished detections failed."""
        finished = self.judged + self.counts["failed"]
        return self.counts["failed"] / finished if finished else None


@dataclass(frozen=True)
class Day(Figures):
    """The figures of one day in UTC."""

    date: date


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


def per_day(since: date) -> tuple[list[Day], Figures]:
    """Return every day from `since` to today, with or without detections, and all of them together."""
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    # Apart, they are a few thousand rows; every pair of a kind and a time would be many times that.
    for name, kind, count in _counted(_from(since), _day().label("day"), _kind()):
        tallies[str(name)].kinds[kind] += count
    for name, ms, count in _counted(_from(since), _day().label("day"), _rounded()):
        tallies[str(name)].times[ms] += count
    whole = _Tally()
    for tally in tallies.values():
        whole.kinds.update(tally.kinds)
        whole.times.update(tally.times)
    dates = [since + timedelta(days=number) for number in range((now().date() - since).days + 1)]
    return [Day(*tallies[str(each)].figures(), each) for each in dates], Figures(*whole.figures())


def last_day() -> Figures:
    """Return the figures of the last 24 hours."""
    tally, recent = _Tally(), Detection.created_at >= now() - timedelta(days=1)
    tally.kinds.update(dict(_counted(recent, _kind())))
    tally.times.update(dict(_counted(recent, _rounded())))
    return Figures(*tally.figures())


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


class _Tally:
    """Counts by verdict and by time."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.times: Counter[int] = Counter()

    def figures(self) -> tuple[dict[str, int], int | None, int | None]:
        """Return the counts, the median and the slow time."""
        return {kind: self.kinds[kind] for kind in KINDS}, self._reaching(50), self._reaching(SLOW)

    def _reaching(self, percent: int) -> int | None:
        # The nearest rank: the first time that this share of all does not exceed.
        reached, needed = 0, self.times.total() * percent
        for ms in sorted(self.times):
            reached += self.times[ms] * 100
            if reached >= needed:
                return ms
        return None


def _rounded() -> Label[int | None]:
    # So few values that they are counted in one pass over the index; a window function sorts every row.
    duration = Detection.duration_ms
    return case((duration < 100, duration), else_=duration - duration % 10).label("ms")


def _kind() -> Label[str]:
    return Detection.kind().label("kind")


def _day() -> ColumnElement[Any]:
    if db.engine.dialect.name == "postgresql":
        return func.date(func.timezone("UTC", Detection.created_at))
    # As SQLite stores a time, its day comes first; to read the whole takes longer.
    return func.substr(Detection.created_at, 1, 10)


def _from(since: date) -> ColumnElement[bool]:
    return Detection.created_at >= datetime(since.year, since.month, since.day, tzinfo=UTC)


def _counted(condition: ColumnElement[bool], *columns: Any) -> Sequence[Any]:
    """Count the detections by these columns; those where the last one is null are left out."""
    rows = select(*columns).where(condition).subquery()
    counted: Select[Any] = select(*rows.c, func.count()).group_by(*rows.c)
    return db.session.execute(counted.where(list(rows.c)[-1].is_not(None))).all()
