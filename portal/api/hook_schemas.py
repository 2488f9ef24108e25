"""The forms of webhooks, deliveries and events."""

from marshmallow import Schema, fields, validate

from portal.api.models import URL_LENGTH, DeliveryStatus
from portal.api.schemas import DetailedDetectionSchema, later, told


class NewWebhookSchema(Schema):
    """A webhook to be."""

    url = fields.Url(
        required=True,
        schemes={"http", "https"},
        require_tld=False,
        validate=validate.Length(max=URL_LENGTH),
        metadata={"description": "Where events are posted to.", "example": "https://desk.example/unmask"},
    )


class WebhookSchema(Schema):
    """An address that is told when a detection is done or has failed."""

    id = fields.Integer(**told("What identifies the webhook."))
    url = fields.String(**told("Where events are posted to."))
    created_at = fields.DateTime(**told("When it was made."))


class CreatedWebhookSchema(WebhookSchema):
    """A new webhook with its secret, which is not shown again."""

    secret = fields.String(**told("Verifies signatures: `whsec_`, then a key in base64."))


class WebhookListSchema(Schema):
    """All webhooks of a person."""

    items = fields.List(fields.Nested(WebhookSchema), required=True)


class DeliverySchema(Schema):
    """What became of one event for one webhook."""

    id = fields.String(**told("The message's id, as in the header webhook-id."), attribute="message_id")
    event = fields.String(**told("What happened.", example="detection.done"))
    detection_id = fields.Integer(**later("The detection it tells of; null for a test."))
    status = fields.String(
        **told("pending: tried or to be tried (again). failed: given up."),
        validate=validate.OneOf([status.value for status in DeliveryStatus]),
    )
    attempts = fields.Integer(**told("How often it was sent."))
    created_at = fields.DateTime(**told("When it happened."))
    delivered_at = fields.DateTime(**later("When the receiver accepted it."))
    next_attempt_at = fields.DateTime(
        **later("When it is sent next; null unless pending."), attribute="sent_next_at"
    )
    response_status = fields.Integer(**later("The receiver's last HTTP status."))
    error = fields.String(**later("Why the last attempt failed."))


class DeliveryListSchema(Schema):
    """The newest deliveries of a webhook."""

    items = fields.List(fields.Nested(DeliverySchema), required=True)


class EventSchema(Schema):
    """What a webhook receives."""

    type = fields.String(
        **told("What happened."), validate=validate.OneOf(["detection.done", "detection.failed", "test"])
    )
    timestamp = fields.DateTime(**told("When."))
    data = fields.Nested(DetailedDetectionSchema, **later("The detection; null for a test."))
