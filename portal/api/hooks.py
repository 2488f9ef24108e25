"""The API's webhooks: make, list, test, delete, and see what was delivered."""

from typing import Any

from flask import g, url_for
from flask_smorest import Blueprint
from werkzeug.exceptions import Conflict, NotFound

from portal.api import describe, hook_schemas, problems, webhooks
from portal.api.guard import protect
from portal.api.idempotency import PARAMETER, idempotent
from portal.api.models import Delivery, Webhook
from portal.outbound import Forbidden

ONE = "/<int(min=1, max=2147483647):webhook_id>"

# The name is the heading in the description.
blueprint = Blueprint(
    "Webhooks",
    __name__,
    url_prefix="/api/v1/webhooks",
    description="Who is told when a verdict is there.",
)
protect(blueprint)


@blueprint.route("", methods=["POST"])
@idempotent
@blueprint.arguments(hook_schemas.NewWebhookSchema)
@blueprint.doc(parameters=[PARAMETER], operationId="createWebhook")
@blueprint.response(201, hook_schemas.CreatedWebhookSchema, headers=describe.LOCATION)
@blueprint.alt_response(409, "CONFLICT")
def create(given: dict[str, str]) -> tuple[Webhook, int, dict[str, str]]:
    """Register a webhook

    Keep the secret that you get: it is not shown again.
    """
    try:
        webhook = webhooks.create(g.api_user, given["url"])
    except webhooks.TooManyWebhooks as error:
        raise Conflict(str(error)) from error
    except Forbidden as error:
        raise problems.invalid(str(error)) from error
    address = url_for(f"{blueprint.name}.{show.__name__}", webhook_id=webhook.id)
    return webhook, 201, {"Location": address}


@blueprint.route("", methods=["GET"])
@blueprint.doc(operationId="listWebhooks")
@blueprint.response(200, hook_schemas.WebhookListSchema)
def index() -> dict[str, Any]:
    """List your webhooks"""
    return {"items": webhooks.of(g.api_user)}


@blueprint.route(ONE, methods=["GET"])
@blueprint.doc(operationId="getWebhook")
@blueprint.response(200, hook_schemas.WebhookSchema)
@blueprint.alt_response(404, "NOT_FOUND")
def show(webhook_id: int) -> Webhook:
    """Read a webhook"""
    return _mine(webhook_id)


@blueprint.route(ONE, methods=["DELETE"])
@blueprint.doc(operationId="deleteWebhook")
@blueprint.response(204, description="The webhook is deleted, and what was not delivered yet.")
@blueprint.alt_response(404, "NOT_FOUND")
def delete(webhook_id: int) -> None:
    """Delete a webhook"""
    webhooks.remove(_mine(webhook_id))


@blueprint.route(f"{ONE}/deliveries", methods=["GET"])
@blueprint.doc(operationId="listDeliveries")
@blueprint.response(200, hook_schemas.DeliveryListSchema)
@blueprint.alt_response(404, "NOT_FOUND")
def deliveries(webhook_id: int) -> dict[str, list[Delivery]]:
    """List the newest deliveries of a webhook"""
    return {"items": webhooks.deliveries(_mine(webhook_id))}


@blueprint.route(f"{ONE}/test", methods=["POST"])
@blueprint.doc(operationId="testWebhook")
@blueprint.response(202, hook_schemas.DeliverySchema)
@blueprint.alt_response(404, "NOT_FOUND")
def test(webhook_id: int) -> Delivery:
    """Send a test event to a webhook"""
    return webhooks.test(_mine(webhook_id))


def _mine(webhook_id: int) -> Webhook:
    webhook = webhooks.find(g.api_user, webhook_id)
    if webhook is None:
        raise NotFound("There is no webhook with this id.")
    return webhook
