"""The figures of a period as charts, each with its table."""

from collections.abc import Sequence

from flask import abort, render_template, request
from flask_babel import gettext

from portal import charts, usage
from portal.admin.blueprint import blueprint
from portal.formats import milliseconds, number, span

# How many days, and how many of them make one bar of a chart: more bars than these nobody tells apart.
PERIODS = {7: 1, 30: 1, 91: 7}


@blueprint.get("/usage")
def usage_figures() -> str:
    """Show detections by time, verdict and user, how long they took, and what failed."""
    days = request.args.get("days", 30, type=int)
    if days not in PERIODS:
        abort(404)
    since = usage.first_day(days)
    rows, figures = usage.over_time(since, PERIODS[days])
    return render_template(
        "admin/usage.html",
        days=days,
        periods=PERIODS,
        rows=_written(rows),
        figures=figures,
        people=usage.per_user(since),
        verdicts=charts.stacked([row.counts for row in rows], (*usage.VERDICTS, "pending")),
        failures=charts.stacked([row.counts for row in rows], ("failed",)),
        times=charts.ranges([(row.median_ms, row.slow_ms) for row in rows]),
    )


def _written(rows: Sequence[usage.Span]) -> list[dict[str, str]]:
    """Write the numbers of each row, and what is said about its bar in each chart.

    Here and once, since they stand in charts and table: a call of a filter or of gettext in the template
    costs more than a row does in the database.
    """
    verdicts = gettext(
        "%(day)s: %(real)s likely real, %(fake)s likely fake, %(uncertain)s uncertain, %(pending)s waiting"
    )
    times = gettext("%(day)s: %(median)s, 95 of 100 within %(slow)s")
    failures = gettext("%(day)s: %(failed)s")
    written = []
    for row in rows:
        texts = {kind: number(count) for kind, count in row.counts.items()}
        texts |= {"median": milliseconds(row.median_ms), "slow": milliseconds(row.slow_ms)}
        texts |= {"date": span(row.first, row.first), "day": span(row.first, row.last)}
        said = {"verdicts": verdicts % texts, "times": times % texts, "failures": failures % texts}
        written.append(texts | said)
    return written
