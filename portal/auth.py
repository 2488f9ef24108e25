"""Accounts: registering, signing in and out, changing the password, deleting one's account."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, current_app, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from flask_login import current_user, login_required, login_user, logout_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from portal.accounts import LastAdmin, delete_account, user_of_token
from portal.extensions import db, limiter, login_manager
from portal.forms import DeleteForm, LoginForm, NewPasswordForm, PasswordForm, RegisterForm
from portal.models import User
from portal.passwords import matches, set_password

blueprint = Blueprint("auth", __name__)

Page = str | Response | tuple[str, int]


@login_manager.user_loader
def load_user(session_id: str) -> User | None:
    """Find whose session this is."""
    return db.session.scalar(select(User).where(User.session_id == session_id, ~User.is_disabled))


@login_manager.unauthorized_handler
def unauthorized() -> Response:
    """Send people to the sign-in page, and back afterwards where that is possible."""
    flash(gettext("Please sign in to continue."), "info")
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.login", next=target))


@blueprint.route("/register", methods=["GET", "POST"])
@limiter.limit(lambda: current_app.config["REGISTER_RATE_LIMIT"], methods=["POST"])
def register() -> Page:
    """Create an account and sign in."""
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(url_for("pages.home"))
    form = RegisterForm()
    if not form.validate_on_submit():
        return render_template("auth/register.html", form=form), 422 if form.is_submitted() else 200
    user = User(name=form.name.data)
    set_password(user, form.password.data or "")
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        form.name.errors = [gettext("This name is taken. Choose another one.")]
        return render_template("auth/register.html", form=form), 409
    _sign_in(user)
    flash(gettext("Welcome! Your account is ready: upload your first image."), "success")
    return redirect(url_for("pages.home"))


@blueprint.route("/login", methods=["GET", "POST"])
@limiter.limit(lambda: current_app.config["LOGIN_RATE_LIMIT"], methods=["POST"])
def login() -> Page:
    """Sign in."""
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(own_page(request.args.get("next")))
    form = LoginForm()
    if not form.validate_on_submit():
        return render_template("auth/login.html", form=form), 422 if form.is_submitted() else 200
    user = db.session.scalar(select(User).where(User.name == form.name.data))
    if not matches(user, form.password.data or "") or user is None:
        form.password.errors = [gettext("The user name or the password is wrong.")]
        return render_template("auth/login.html", form=form), 401
    db.session.commit()
    if user.is_disabled:
        form.password.errors = [gettext("This account is disabled. Ask whoever runs this portal.")]
        return render_template("auth/login.html", form=form), 403
    _sign_in(user)
    return redirect(own_page(request.args.get("next")))


@blueprint.post("/logout")
def logout() -> Response:
    """Sign out."""
    logout_user()
    session.clear()
    flash(gettext("You are signed out."), "info")
    return redirect(url_for("pages.home"))


@blueprint.route("/reset-password/<token>", methods=["GET", "POST"])
@limiter.limit(lambda: current_app.config["LOGIN_RATE_LIMIT"], methods=["POST"])
def reset_password(token: str) -> Page:
    """Let the bearer of an administrator's link set a new password, once."""
    user = user_of_token(token)
    if user is None:
        return render_template("auth/reset_password.html", form=None), 410
    form = NewPasswordForm()
    if not form.validate_on_submit():
        page = render_template("auth/reset_password.html", form=form, user=user)
        return page, 422 if form.is_submitted() else 200
    set_password(user, form.password.data or "")
    db.session.commit()
    flash(gettext("Your new password is set. Sign in with it."), "success")
    return redirect(url_for("auth.login"), 303)


@blueprint.get("/account")
@login_required
def account() -> Page:
    """Show what one can do with one's account."""
    return _account_page()


@blueprint.post("/account/password")
@login_required
@limiter.limit(lambda: current_app.config["LOGIN_RATE_LIMIT"])
def change_password() -> Page:
    """Change the password; every other session ends."""
    form = PasswordForm()
    if not form.validate_on_submit():
        return _account_page(password_form=form), 422
    if not matches(current_user, form.present.data or ""):
        form.present.errors = [gettext("This is not your current password.")]
        return _account_page(password_form=form), 401
    set_password(current_user, form.password.data or "")
    db.session.commit()
    login_user(current_user)
    flash(gettext("Your password is changed. Everywhere else, you were signed out."), "success")
    return redirect(url_for("auth.account"))


@blueprint.post("/account/delete")
@login_required
@limiter.limit(lambda: current_app.config["LOGIN_RATE_LIMIT"])
def delete() -> Page:
    """Delete one's account with all its images and verdicts."""
    form = DeleteForm()
    if not form.validate_on_submit():
        return _account_page(delete_form=form), 422
    if not matches(current_user, form.confirm.data or ""):
        form.confirm.errors = [gettext("This is not your password.")]
        return _account_page(delete_form=form), 401
    try:
        delete_account(current_user.id)
    except LastAdmin as error:
        form.confirm.errors = [str(error)]
        return _account_page(delete_form=form), 409
    logout_user()
    session.clear()
    flash(gettext("Your account, your images and their verdicts are deleted."), "success")
    return redirect(url_for("pages.home"))


@blueprint.after_app_request
def keep_private(response: Response) -> Response:
    """Keep pages made for one person out of caches: after signing out, "back" must not show them."""
    if session and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "private, no-store"
    return response


def own_page(target: str | None) -> str:
    """Return `target` if it is a page of this site, else the home page."""
    home = url_for("pages.home")
    if not target or not target.startswith("/") or "\\" in target or not target.isprintable():
        return home
    parts = urlsplit(target)
    return home if parts.scheme or parts.netloc or target.startswith("//") else target


def _account_page(**forms: Any) -> str:
    empty = {"password_form": PasswordForm(formdata=None), "delete_form": DeleteForm(formdata=None)}
    return render_template("auth/account.html", **(empty | forms))


def _sign_in(user: User) -> None:
    session.clear()  # nothing that was set before signing in may live on in the new session
    session.permanent = True
    login_user(user)
