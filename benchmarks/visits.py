"""What is asked for: every address that the portal answers to GET, with values for what varies in it."""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from typing import Any

from flask import Flask, url_for
from werkzeug.routing import Rule

from benchmarks.filling import Subjects
from portal.models import now

# What people ask of the pages that search, order or page.
QUERIES = {
    "history.index": (
        *("page=7000", "size=48", "sort=oldest", "sort=name", "sort=name&page=7000", "sort=most-fake"),
        *("sort=most-real", "sort=most-fake&page=3000", "verdict=real", "verdict=fake&page=1500"),
        *("verdict=uncertain", "verdict=pending", "verdict=failed", "verdict=failed&sort=name"),
        *(
            "verdict=label-fake",
            "verdict=fake&sort=most-real",
            "verdict=real&sort=name",
            "q=img",
            "q=img&page=500",
            "q=a&size=48",
        ),
        *("q=berlin", "q=berlin&sort=name", "q=zzz", "q=zz", "q=press+witness", "q=img&verdict=failed"),
        *(
            "q=img&sort=most-fake",
            f"q={'0' * 64}",
            "from={month_ago}&to={today}",
            "from={month_ago}&q=berlin",
        ),
        "to={month_ago}&verdict=uncertain&sort=name",
    ),
    "Detections.index": ("limit=200", "label=fake", "status=failed", "before=1000"),
    "admin.audit_log": ("page=100", "q=berlin", "q=zzz", "action=faq.change", "q=desk&action=faq.change"),
    "admin.users": ("q=reporter-1", "q=zzz", "show=disabled", "page=10"),
    "admin.reviews": ("status=accepted", "status=rejected", "status=rejected&page=30"),
    "admin.usage_figures": ("days=7", "days=91"),
}
# For parts of an address that mean different things on different pages.
KINDS = {
    "history.export": ("csv", "json"),
    "admin.review_picture": ("image", "thumbnail"),
}


@dataclass(frozen=True)
class Visit:
    """An address, and who asks for it; `shown` is the address without its secrets."""

    who: str
    shown: str
    path: str = field(compare=False)


def visits(app: Flask, subjects: Subjects) -> list[Visit]:
    """Return every address of the application, for everybody who may ask for it; raises KeyError for a part
    of an address that has no value here.
    """
    today = now().date()
    days = {"today": str(today), "month_ago": str(today - timedelta(days=30))}
    secrets = (subjects.share_token, subjects.reset_token)
    found = []
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()):
                continue
            for who in _askers(rule.endpoint):
                for values in _values(rule, who, subjects):
                    path = url_for(rule.endpoint, **values)
                    shown = reduce(lambda text, secret: text.replace(secret, "TOKEN"), secrets, path)
                    found.append(Visit(who, shown, path))
                    if who != "admin" or rule.endpoint.startswith("admin."):
                        queries = [f"?{each.format_map(days)}" for each in QUERIES.get(rule.endpoint, ())]
                        found += [Visit(who, shown + query, path + query) for query in queries]
    return found


def _askers(endpoint: str) -> tuple[str, ...]:
    if endpoint.startswith("admin."):
        return ("admin",)
    if endpoint.startswith(("Detections.", "Webhooks.")):
        return ("program",)
    if endpoint.startswith(("pages.", "faq.", "auth.")) and endpoint != "auth.account":
        return ("visitor", "user", "admin")
    if endpoint.startswith(("reports.shared", "static", "api-page.", "api-docs.")):
        return ("visitor",)
    return ("user", "admin")


def _values(rule: Rule, who: str, subjects: Subjects) -> list[dict[str, Any]]:
    name = subjects.admin if who == "admin" else subjects.user
    known: dict[str, Any] = {
        "detection_id": [subjects.detections[name]],
        "feedback_id": [subjects.feedback_id],
        "user_id": [subjects.user_id],
        "webhook_id": [subjects.webhooks[name]],
        "entry_id": [subjects.entry_id],
        "token": [subjects.reset_token if rule.endpoint == "auth.reset_password" else subjects.share_token],
        "kind": KINDS.get(rule.endpoint, ()),
        "filename": ["unmask.css"],
        "name": ["swagger-ui.css"],
        "code": ["en"],
    }
    values: list[dict[str, Any]] = [{}]
    for argument in rule.arguments:
        values = [each | {argument: value} for each in values for value in known[argument]]
    return values
