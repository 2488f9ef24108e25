"""The figures of a period as charts, each with its table."""

from flask import abort, render_template, request

from portal import charts, usage
from portal.admin.blueprint import blueprint

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
        rows=rows,
        figures=figures,
        people=usage.per_user(since),
        verdicts=charts.stacked([row.counts for row in rows], (*usage.VERDICTS, "pending")),
        failures=charts.stacked([row.counts for row in rows], ("failed",)),
        times=charts.ranges([(row.median_ms, row.slow_ms) for row in rows]),
    )
