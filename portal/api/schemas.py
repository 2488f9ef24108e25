"""The forms of detections and problems: what is validated, what is sent, what the description says."""

from typing import Any

from marshmallow import Schema, fields, pre_dump, validate

from portal.models import Status
from portal.routing import ID_MAXIMUM

PAGE_DEFAULT, PAGE_MAXIMUM = 50, 200
# As TorchServe names it; only the grid is stored.
HEATMAP_METHOD = "grad-cam"


def told(meaning: str, **options: Any) -> dict[str, Any]:
    """Return the options of a field that is always there."""
    return {"required": True, "metadata": {"description": meaning, **options}}


def later(meaning: str, **options: Any) -> dict[str, Any]:
    """Return the options of a field that is always there, and may be null."""
    return told(meaning, **options) | {"allow_none": True}


class DetectionSchema(Schema):
    """One image and what the model says of it; the verdict's fields are null until status is done."""

    id = fields.Integer(**told("What identifies the detection.", example=17))
    status = fields.String(
        **told(
            "pending: not judged yet. done: judged. failed: cannot be judged; `error` says why.",
            example="done",
        ),
        validate=validate.OneOf([status.value for status in Status]),
    )
    label = fields.String(
        **later("The more probable of the two.", example="fake"), validate=validate.OneOf(["real", "fake"])
    )
    probability_real = fields.Float(
        **later("Calibrated probability that the image is real.", example=0.031),
        validate=validate.Range(0, 1),
    )
    confidence = fields.Float(
        **later("Probability of the label given.", example=0.969), validate=validate.Range(0, 1)
    )
    certainty = fields.String(
        **later("high, moderate or low: at low, treat the image as undecided.", example="high")
    )
    faces = fields.Integer(
        **later("How many faces are in the image: the model knows pictures of one face only.", example=1),
        validate=validate.Range(0),
    )
    model = fields.String(**later("The model that judged.", example="deepfake"))
    model_version = fields.String(**later("Its version.", example="1.0"))
    error = fields.String(**later("Why the image could not be judged."))
    filename = fields.String(**told("The name that came with the image.", example="photo.jpg"))
    sha256 = fields.String(**told("SHA-256 of the image file, in hexadecimal."))
    format = fields.String(**told("The format of the image file.", example="JPEG"), attribute="image.format")
    width = fields.Integer(**told("Width in pixels, as stored."), attribute="image.width")
    height = fields.Integer(**told("Height in pixels, as stored."), attribute="image.height")
    size_bytes = fields.Integer(**told("Size of the image file."), attribute="image.size_bytes")
    created_at = fields.DateTime(**told("When the image was sent."))
    judged_at = fields.DateTime(**later("When the verdict came."))
    duration_ms = fields.Integer(**later("How long the model took, in milliseconds."))


class HeatmapSchema(Schema):
    """Which parts of the image counted for the verdict."""

    method = fields.String(**told("How it was made.", example=HEATMAP_METHOD))
    grid = fields.List(
        fields.List(fields.Float(validate=validate.Range(0, 1))),
        **told(
            "Rows from top to bottom, each from left to right, in [0, 1]; spread it over the whole image."
        ),
    )

    @pre_dump
    def _name_method(self, grid: list[list[float]], **_: Any) -> dict[str, Any]:
        return {"method": HEATMAP_METHOD, "grid": grid}


class DetailedDetectionSchema(DetectionSchema):
    """A detection with its heatmap."""

    heatmap = fields.Nested(HeatmapSchema, **later("Which parts of the image counted for the verdict."))


class PageSchema(Schema):
    """Detections, newest first."""

    items = fields.List(fields.Nested(DetectionSchema), required=True)
    next = fields.String(**later("The address of the next page, as in the Link header; null on the last."))


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


class MistakeSchema(Schema):
    """What is wrong with a request, and where."""

    pointer = fields.String(**told("Where: the part of the request, then the field.", example="/query/limit"))
    detail = fields.String(**told("What is wrong there."))


class ProblemSchema(Schema):
    """An error, as RFC 9457 describes it."""

    type = fields.String(**told("What kind of error, for programs; about:blank where the status says it."))
    title = fields.String(**told("The same in words."))
    status = fields.Integer(**told("The HTTP status."))
    detail = fields.String(**told("What went wrong this time, and what to do."))
    errors = fields.List(
        fields.Nested(MistakeSchema),
        metadata={"description": "For an invalid request: each mistake, and where it is."},
    )


class BatchItemSchema(Schema):
    """The answer for one file of a batch: a detection or a problem."""

    filename = fields.String(**told("The name that came with the file."))
    status = fields.Integer(**told("The status that the file alone would have got: 201, 202, 413 or 422."))
    detection = fields.Nested(DetailedDetectionSchema, **later("The detection, where there is one."))
    problem = fields.Nested(ProblemSchema, **later("Why there is none."))


class BatchSchema(Schema):
    """An answer for each file of a batch, in the order of the files."""

    items = fields.List(fields.Nested(BatchItemSchema), required=True)
