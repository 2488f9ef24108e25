"""Pages of no feature: the home page, and what a load balancer asks for."""

from typing import Any

from flask import Blueprint, current_app, jsonify, redirect, render_template, request
from flask_login import current_user
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from portal.auth import own_page
from portal.extensions import db
from portal.languages import COOKIE, LANGUAGES
from portal.uploads import upload_page

blueprint = Blueprint("pages", __name__)

CHOICE_SECONDS = 365 * 24 * 3600


@blueprint.get("/")
def home() -> str:
    """Say what Unmask is to a visitor; let a user upload."""
    if not current_user.is_authenticated:
        return render_template("landing.html")
    return upload_page()


@blueprint.get(f"/language/<any({', '.join(LANGUAGES)}):code>")
def choose_language(code: str) -> Response:
    """Remember the language that somebody chose, and go back to the page."""
    response = redirect(own_page(request.args.get("next")))
    secure = current_app.config["SESSION_COOKIE_SECURE"]
    response.set_cookie(COOKIE, code, CHOICE_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response


@blueprint.get("/health")
def health() -> tuple[Any, int]:
    """Answer 200 if the portal can work: it keeps uploads even while TorchServe is down."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return jsonify(status="unhealthy", database="unreachable"), 503
    return jsonify(status="healthy", database="reachable"), 200
