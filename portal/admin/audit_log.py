"""The page of the audit log."""

from flask import render_template, request

from portal import audit
from portal.admin.blueprint import blueprint
from portal.extensions import db

PAGE_SIZE = 50


@blueprint.get("/audit")
def audit_log() -> str:
    """Show who did what as an administrator, with search and paging."""
    search, action = request.args.get("q", "").strip(), request.args.get("action", "")
    page = db.paginate(audit.found(search, action), per_page=PAGE_SIZE, max_per_page=PAGE_SIZE)
    return render_template(
        "admin/audit.html", page=page, search=search, action=action, actions=audit.actions()
    )
