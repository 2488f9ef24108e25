"""Pages of no feature: the home page, and what a load balancer asks for."""

from typing import Any

from flask import Blueprint, jsonify, render_template
from flask_login import current_user
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from portal.extensions import db
from portal.uploads import upload_page

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def home() -> str:
    """Say what Unmask is to a visitor; let a user upload."""
    if not current_user.is_authenticated:
        return render_template("landing.html")
    return upload_page()


@blueprint.get("/health")
def health() -> tuple[Any, int]:
    """Answer 200 if the portal can work: it keeps uploads even while TorchServe is down."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return jsonify(status="unhealthy", database="unreachable"), 503
    return jsonify(status="healthy", database="reachable"), 200
