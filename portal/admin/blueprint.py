"""The blueprint of the administration, which lets nobody but administrators in."""

from typing import Any

from flask import Blueprint, abort
from flask_login import current_user

from portal import feedback
from portal.extensions import login_manager
from portal.models import FeedbackStatus

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

PAGE_SIZE = 20


@blueprint.before_request
def require_admin() -> Any:
    """Let nobody but administrators in."""
    if not current_user.is_authenticated:
        return login_manager.unauthorized()
    if not current_user.is_admin:
        abort(403)
    return None


@blueprint.context_processor
def _open_reviews() -> dict[str, Any]:
    return {"open_reviews": feedback.counts()[FeedbackStatus.OPEN]}
