"""The page of the audit log."""

from flask import render_template, request
from sqlalchemy import select

from portal import audit
from portal.admin.blueprint import blueprint
from portal.models import AuditEntry
from portal.paging import SearchPage

PAGE_SIZE = 50


@blueprint.get("/audit")
def audit_log() -> str:
    """Show who did what as an administrator, with search and paging."""
    search, action = request.args.get("q", "").strip(), request.args.get("action", "")
    found = audit.found(search, action)
    page = SearchPage(found.with_only_columns(AuditEntry.id), select(AuditEntry), PAGE_SIZE)
    return render_template(
        "admin/audit.html", page=page, search=search, action=action, actions=audit.actions()
    )
