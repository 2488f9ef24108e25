"""Figures of a period: detections by time, verdict and user, how long they took, what failed, what waits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Interval, Select, bindparam, case, func, select

from portal.extensions import db
from portal.models import Detection, Status, User, now

VERDICTS = ("real", "fake", "uncertain")
KINDS = (*VERDICTS, "failed", "pending")
PEOPLE = 10
# The share of verdicts that took no longer than the "slow" time.
SLOW = 95


def _counted(*columns: ColumnElement[Any]) -> Select[Any]:
    duration = Detection.duration_ms
    # So few values that they are counted in one pass over the index; a window function sorts every row.
    rounded = case((duration < 100, duration), else_=duration - duration % 10)
    asked = Detection.created_at >= bindparam("since"), Detection.created_at < bindparam("until")
    rows = select(*columns, Detection.kind().label("kind"), rounded.label("ms")).where(*asked).subquery()
    return select(*rows.c, func.count()).group_by(*rows.c)


# Made once: to make it for each span would take longer than its answer.
COUNTED = _counted()
# With the beginning of each span; SQLite has no such function, and sorts the rows of so many groups.
COUNTED_BY_SPAN = _counted(
    func.date_bin(
        bindparam("length", type_=Interval),
        Detection.created_at,
        bindparam("since"),
        type_=DateTime(timezone=True),
    ).label("start")
)


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
    length = timedelta(days=days)
    first_days = [since + number * length for number in range((now().date() - since) // length + 1)]
    tallies = _tallies(first_days, length)
    spans, whole = [], _Tally()
    for first, tally in tallies.items():
        whole.kinds.update(tally.kinds)
        whole.times.update(tally.times)
        spans.append(Span(*tally.figures(), first, first + length - timedelta(days=1)))
    return spans, Figures(*whole.figures())


def last_day() -> Figures:
    """Return the figures of the last 24 hours."""
    tally = _Tally()
    for kind, ms, count in _execute(COUNTED, now() - timedelta(days=1), now()):
        tally.add(kind, ms, count)
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

    def add(self, kind: str, ms: int | None, count: int) -> None:
        """Add so many detections."""
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


def _tallies(days: Sequence[date], length: timedelta) -> dict[date, _Tally]:
    """Return the tally of each span by its first day."""
    tallies = {first: _Tally() for first in days}
    if db.engine.dialect.name == "postgresql":
        end = _start(days[-1] + length)
        for start, kind, ms, count in _execute(COUNTED_BY_SPAN, _start(days[0]), end, length=length):
            tallies[start.astimezone(UTC).date()].add(kind, ms, count)
    else:
        for first, tally in tallies.items():
            for kind, ms, count in _execute(COUNTED, _start(first), _start(first + length)):
                tally.add(kind, ms, count)
    return tallies


def _execute(statement: Select[Any], since: datetime, until: datetime, **given: Any) -> Sequence[Any]:
    # By the connection: the session would treat each row as if it might hold objects.
    return db.session.connection().execute(statement, {"since": since, "until": until, **given}).all()


def _from(day: date) -> ColumnElement[bool]:
    return Detection.created_at >= _start(day)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
