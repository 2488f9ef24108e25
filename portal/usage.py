"""Figures of a period: detections by time, verdict and user, how long they took, what failed, what waits."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, select

from portal.extensions import db
from portal.models import Detection, Status, User, now

VERDICTS = ("real", "fake", "uncertain")
KINDS = (*VERDICTS, "failed", "pending")
PEOPLE = 10
# The share of verdicts that took no longer than the "slow" time.
SLOW = 95


def _counted() -> Select[Any]:
    duration = Detection.duration_ms
    # So few values that they are counted in one pass over the index; a window function sorts every row.
    rounded = case((duration < 100, duration), else_=duration - duration % 10)
    asked = Detection.created_at >= bindparam("since"), Detection.created_at < bindparam("until")
    rows = select(Detection.kind().label("kind"), rounded.label("ms")).where(*asked).subquery()
    return select(*rows.c, func.count()).group_by(*rows.c)


# Made once: to make it for each span would take longer than its answer.
COUNTED = _counted()


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
class Span(Figures):
    """The figures of the days from `first` to `last` in UTC."""

    first: date
    last: date


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


def over_time(since: date, days: int = 1) -> tuple[list[Span], Figures]:
    """Return the time from `since` to today in spans of so many days, and all of it together."""
    spans, whole = [], _Tally()
    for number in range(0, (now().date() - since).days + 1, days):
        first = since + timedelta(days=number)
        last = first + timedelta(days=days - 1)
        tally = _Tally()
        tally.count(_start(first), _start(last + timedelta(days=1)))
        whole.kinds.update(tally.kinds)
        whole.times.update(tally.times)
        spans.append(Span(*tally.figures(), first, last))
    return spans, Figures(*whole.figures())


def last_day() -> Figures:
    """Return the figures of the last 24 hours."""
    tally = _Tally()
    tally.count(now() - timedelta(days=1), now())
    return Figures(*tally.figures())


def per_user(since: date) -> list[Person]:
    """Return the users with the most detections since a day, busiest first."""
    failed = func.sum(case((Detection.status == Status.FAILED, 1), else_=0)).label("failed")
    # A sum, which no index has: SQLite would rather read all detections, those of each user together.
    owner = (Detection.user_id + 0).label("owner")
    found = select(owner, func.count().label("count"), failed).where(_from(since)).group_by(owner).subquery()
    rows = db.session.execute(
        select(User.id, User.name, found.c.count, found.c.failed)
        .join(found, found.c.owner == User.id)
        .order_by(found.c.count.desc(), User.name)
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

    def count(self, since: datetime, until: datetime) -> None:
        """Add the detections of a time."""
        # By the connection: the session would treat each row as if it might hold objects.
        connection = db.session.connection()
        for kind, ms, count in connection.execute(COUNTED, {"since": since, "until": until}).all():
            self.kinds[kind] += count
            if ms is not None:
                self.times[ms] += count

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


def _from(day: date) -> ColumnElement[bool]:
    return Detection.created_at >= _start(day)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
