"""The figures of a period as charts, each with its table."""

from flask import abort, render_template, request

from portal import charts, usage
from portal.admin.blueprint import blueprint

PERIODS = (7, 30, 90)


@blueprint.get("/usage")
def usage_figures() -> str:
    """Show detections by day, verdict and user, the time they took, and what failed."""
    days = request.args.get("days", 30, type=int)
    if days not in PERIODS:
        abort(404)
    since = usage.first_day(days)
    rows, figures = usage.per_day(since)
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
