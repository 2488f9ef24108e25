"""The account's pages for programs: API keys and webhooks, made, seen and removed by their owner."""

import hashlib

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    make_response,
    redirect,
    render_template,
    url_for,
)
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import current_user, login_required
from flask_wtf import FlaskForm
from marshmallow import ValidationError
from werkzeug.wrappers import Response as WerkzeugResponse
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from portal.api import keys, webhooks
from portal.api.hook_schemas import NewWebhookSchema
from portal.api.models import KEY_NAME_LENGTH, DeliveryStatus, Webhook
from portal.errors import wants_json
from portal.outbound import Forbidden

blueprint = Blueprint("api-account", __name__, url_prefix="/account")

Page = Response | WerkzeugResponse


def _visible(text: str | None) -> str:
    return "".join(character for character in text or "" if character.isprintable()).strip()


class KeyForm(FlaskForm):
    """A new API key."""

    name = StringField(
        _("Name"),
        [DataRequired(_("Enter a name.")), Length(max=KEY_NAME_LENGTH, message=_("This is too long."))],
        filters=[_visible],
    )


class WebhookForm(FlaskForm):
    """A new webhook."""

    url = StringField(_("Address"), [DataRequired(_("Enter an address."))], filters=[_visible])


@blueprint.get("/keys")
@login_required
def show_keys() -> Page:
    """List one's API keys."""
    return _keys_page(KeyForm(formdata=None))


@blueprint.post("/keys")
@login_required
def create_key() -> Page:
    """Make an API key and show it, this one time."""
    form = KeyForm()
    if not form.validate_on_submit():
        return _keys_page(form, 422)
    try:
        key = keys.create(current_user, form.name.data or "")
    except keys.TooManyKeys as error:
        form.name.errors = [str(error)]
        return _keys_page(form, 409)
    return _keys_page(KeyForm(formdata=None), 201, key)


@blueprint.post("/keys/<id:key_id>/revoke")
@login_required
def revoke_key(key_id: int) -> Page:
    """Revoke an API key."""
    if not keys.revoke(current_user, key_id):
        abort(404)
    flash(gettext("The key is revoked: it opens nothing any more."), "success")
    return redirect(url_for(".show_keys"), 303)


@blueprint.get("/webhooks")
@login_required
def show_webhooks() -> Page:
    """List one's webhooks."""
    return _webhooks_page(WebhookForm(formdata=None))


@blueprint.post("/webhooks")
@login_required
def create_webhook() -> Page:
    """Make a webhook and show its secret, this one time."""
    form = WebhookForm()
    if not form.validate_on_submit():
        return _webhooks_page(form, 422)
    try:
        webhook = webhooks.create(current_user, NewWebhookSchema().load({"url": form.url.data})["url"])
    except ValidationError:
        form.url.errors = [
            gettext("Enter a full address, such as %(address)s.", address="https://desk.example/unmask")
        ]
        return _webhooks_page(form, 422)
    except Forbidden as error:
        form.url.errors = [str(error)]
        return _webhooks_page(form, 422)
    except webhooks.TooManyWebhooks as error:
        form.url.errors = [str(error)]
        return _webhooks_page(form, 409)
    return _webhooks_page(WebhookForm(formdata=None), 201, webhook)


@blueprint.get("/webhooks/<id:webhook_id>")
@login_required
def show_webhook(webhook_id: int) -> str | Response:
    """Show what was sent to a webhook; as JSON, a word that changes with each attempt and its outcome."""
    webhook = _mine(webhook_id)
    deliveries = webhooks.deliveries(webhook)
    waiting = [each for each in deliveries if each.status is DeliveryStatus.PENDING]
    attempts = [(each.id, each.attempts, each.next_attempt_at.isoformat()) for each in waiting]
    state = hashlib.sha256(repr(attempts).encode()).hexdigest()[:16]
    if wants_json():
        return jsonify(state=state)
    return render_template(
        "api/webhook.html", webhook=webhook, deliveries=deliveries, waiting=waiting, state=state
    )


@blueprint.post("/webhooks/<id:webhook_id>/test")
@login_required
def test_webhook(webhook_id: int) -> Page:
    """Send a test event."""
    webhooks.test(_mine(webhook_id))
    return redirect(url_for(".show_webhook", webhook_id=webhook_id), 303)


@blueprint.post("/webhooks/<id:webhook_id>/delete")
@login_required
def delete_webhook(webhook_id: int) -> Page:
    """Delete a webhook."""
    webhooks.remove(_mine(webhook_id))
    flash(gettext("The webhook is deleted."), "success")
    return redirect(url_for(".show_webhooks"), 303)


def _mine(webhook_id: int) -> Webhook:
    return webhooks.find(current_user, webhook_id) or abort(404)


def _keys_page(form: KeyForm, status: int = 200, key: str | None = None) -> Response:
    page = render_template("api/keys.html", form=form, keys=keys.of(current_user), new_key=key)
    return _unkept(page, status)


def _webhooks_page(form: WebhookForm, status: int = 200, created: Webhook | None = None) -> Response:
    page = render_template(
        "api/webhooks.html", form=form, webhooks=webhooks.of(current_user), created=created
    )
    return _unkept(page, status)


def _unkept(page: str, status: int) -> Response:
    response = make_response(page, status)
    # A secret that is shown once must not be found in the browser's cache.
    response.headers["Cache-Control"] = "no-store"
    return response
