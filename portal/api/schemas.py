"""The forms of requests and answers: what is validated, what is sent, and what the description says."""

from typing import Any

from marshmallow import Schema, fields, validate

from portal.api.models import URL_LENGTH, DeliveryStatus
from portal.models import Detection, Status

PAGE_DEFAULT, PAGE_MAXIMUM = 50, 200
ID_MAXIMUM = 2**31 - 1
# As TorchServe names it; only the grid is stored.
HEATMAP_METHOD = "grad-cam"


def _told(meaning: str, **options: Any) -> dict[str, Any]:
    return {"required": True, "metadata": {"description": meaning, **options}}


def _later(meaning: str, **options: Any) -> dict[str, Any]:
    return _told(meaning, **options) | {"allow_none": True}


class DetectionSchema(Schema):
    """One image and what the model says of it; the verdict's fields are null until status is done."""

    id = fields.Integer(**_told("What identifies the detection.", example=17))
    status = fields.String(
        **_told("pending: not judged yet. done: judged. failed: cannot be judged; `error` says why."),
        validate=validate.OneOf([status.value for status in Status]),
    )
    label = fields.String(
        **_later("The more probable of the two."), validate=validate.OneOf(["real", "fake"])
    )
    probability_real = fields.Float(
        **_later("Calibrated probability that the image is real.", example=0.031),
        validate=validate.Range(0, 1),
    )
    confidence = fields.Float(
        **_later("Probability of the label given.", example=0.969), validate=validate.Range(0, 1)
    )
    certainty = fields.String(
        **_later("high, moderate or low: at low, treat the image as undecided.", example="high")
    )
    model = fields.String(**_later("The model that judged.", example="deepfake"))
    model_version = fields.String(**_later("Its version.", example="1.0"))
    error = fields.String(**_later("Why the image could not be judged."))
    filename = fields.String(**_told("The name that came with the image.", example="photo.jpg"))
    sha256 = fields.String(**_told("SHA-256 of the image file, in hexadecimal."))
    format = fields.String(**_told("The format of the image file.", example="JPEG"), attribute="image.format")
    width = fields.Integer(**_told("Width in pixels, as stored."), attribute="image.width")
    height = fields.Integer(**_told("Height in pixels, as stored."), attribute="image.height")
    size_bytes = fields.Integer(**_told("Size of the image file."), attribute="image.size_bytes")
    created_at = fields.DateTime(**_told("When the image was sent."))
    judged_at = fields.DateTime(**_later("When the verdict came."))
    duration_ms = fields.Integer(**_later("How long the model took, in milliseconds."))


class HeatmapSchema(Schema):
    """Which parts of the image counted for the verdict."""

    method = fields.String(**_told("How it was made.", example=HEATMAP_METHOD))
    grid = fields.List(
        fields.List(fields.Float(validate=validate.Range(0, 1))),
        **_told(
            "Rows from top to bottom, each from left to right, in [0, 1]; spread it over the whole image."
        ),
    )


class DetailedDetectionSchema(DetectionSchema):
    """A detection with its heatmap."""

    heatmap = fields.Method("_heatmap", **_later("Which parts of the image counted for the verdict."))

    @staticmethod
    def _heatmap(detection: Detection) -> dict[str, Any] | None:
        return None if detection.heatmap is None else {"method": HEATMAP_METHOD, "grid": detection.heatmap}


class PageSchema(Schema):
    """Detections, newest first."""

    items = fields.List(fields.Nested(DetectionSchema), required=True)
    next = fields.String(**_later("The address of the next page, as in the Link header; null on the last."))


class PageQuery(Schema):
    """Which detections to list."""

    limit = fields.Integer(
        load_default=PAGE_DEFAULT,
        validate=validate.Range(1, PAGE_MAXIMUM),
        metadata={"description": "The most detections in one answer."},
    )
    before = fields.Integer(
        validate=validate.Range(1, ID_MAXIMUM),
        metadata={"description": "Only detections older than the one with this id: where a page begins."},
    )
    status = fields.String(
        validate=validate.OneOf([status.value for status in Status]),
        metadata={"description": "Only detections with this status."},
    )
    label = fields.String(
        validate=validate.OneOf(["real", "fake"]),
        metadata={"description": "Only detections with this label."},
    )


class ProblemSchema(Schema):
    """An error, as RFC 9457 describes it."""

    type = fields.String(**_told("What kind of error, for programs; about:blank where the status says it."))
    title = fields.String(**_told("The same in words."))
    status = fields.Integer(**_told("The HTTP status."))
    detail = fields.String(**_told("What went wrong this time, and what to do."))
    errors = fields.List(
        fields.Nested(
            Schema.from_dict(
                {"pointer": fields.String(required=True), "detail": fields.String(required=True)}
            ),
        ),
        metadata={"description": "For an invalid request: each mistake, and where it is."},
    )


class BatchItemSchema(Schema):
    """The answer for one file of a batch: a detection or a problem."""

    filename = fields.String(**_told("The name that came with the file."))
    status = fields.Integer(**_told("The status that the file alone would have got: 201, 202, 413 or 422."))
    detection = fields.Nested(DetailedDetectionSchema, **_later("The detection, where there is one."))
    problem = fields.Nested(ProblemSchema, **_later("Why there is none."))


class BatchSchema(Schema):
    """An answer for each file of a batch, in the order of the files."""

    items = fields.List(fields.Nested(BatchItemSchema), required=True)


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

    id = fields.Integer(**_told("What identifies the webhook."))
    url = fields.String(**_told("Where events are posted to."))
    created_at = fields.DateTime(**_told("When it was made."))


class CreatedWebhookSchema(WebhookSchema):
    """A new webhook with its secret, which is not shown again."""

    secret = fields.String(**_told("Verifies signatures: `whsec_`, then a key in base64."))


class WebhookListSchema(Schema):
    """All webhooks of a person."""

    items = fields.List(fields.Nested(WebhookSchema), required=True)


class DeliverySchema(Schema):
    """What became of one event for one webhook."""

    id = fields.String(**_told("The message's id, as in the header webhook-id."), attribute="message_id")
    event = fields.String(**_told("What happened.", example="detection.done"))
    detection_id = fields.Integer(**_later("The detection it tells of; null for a test."))
    status = fields.String(
        **_told("pending: tried or to be tried (again). failed: given up."),
        validate=validate.OneOf([status.value for status in DeliveryStatus]),
    )
    attempts = fields.Integer(**_told("How often it was sent."))
    created_at = fields.DateTime(**_told("When it happened."))
    delivered_at = fields.DateTime(**_later("When the receiver accepted it."))
    next_attempt_at = fields.DateTime(**_told("While pending: when it is sent next."))
    response_status = fields.Integer(**_later("The receiver's last HTTP status."))
    error = fields.String(**_later("Why the last attempt failed."))


class DeliveryListSchema(Schema):
    """The newest deliveries of a webhook."""

    items = fields.List(fields.Nested(DeliverySchema), required=True)


class EventSchema(Schema):
    """What a webhook receives."""

    type = fields.String(
        **_told("What happened."), validate=validate.OneOf(["detection.done", "detection.failed", "test"])
    )
    timestamp = fields.DateTime(**_told("When."))
    data = fields.Nested(DetailedDetectionSchema, **_later("The detection; null for a test."))
