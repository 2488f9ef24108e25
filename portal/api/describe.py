"""What the code of the API does not say by itself, in the terms of OpenAPI 3.1."""

from http import HTTPStatus

from flask_smorest import Api

from portal.api.hook_schemas import EventSchema
from portal.api.problems import CONTENT_TYPE
from portal.api.schemas import ProblemSchema

DESCRIPTION = """
Judge images from a program: [real or fake](/faq), with a calibrated probability.

Make a key on your [account page](/account/keys) and send it with each request: `Authorization: Bearer KEY`.
Errors are problem details (RFC 9457). `RateLimit` and `RateLimit-Policy` tell how many requests are left;
after 429, wait for the seconds in `Retry-After`. A POST with an `Idempotency-Key` can be repeated safely.
Instead of asking again for what is not judged yet, register a webhook.

A verdict is an estimate, not a proof: treat an image with certainty `low` as undecided.
"""

_BINARY = {"type": "string", "format": "binary"}
FILENAME = {
    "in": "query",
    "name": "filename",
    "description": "The name to show for an image that is sent as the body.",
    "schema": {"type": "string"},
}
IMAGE = {
    "required": True,
    "content": {
        "image/*": {"schema": _BINARY},
        "application/octet-stream": {"schema": _BINARY},
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"image": _BINARY}, "required": ["image"]}
        },
    },
}
IMAGES = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"images": {"type": "array", "items": _BINARY, "minItems": 1, "maxItems": 100}},
                "required": ["images"],
            }
        }
    },
}
LOCATION = {"Location": {"description": "The address of what was made.", "schema": {"type": "string"}}}
LINK = {
    "Link": {
        "description": 'The address of the next page, with rel="next"; absent on the last one.',
        "schema": {"type": "string"},
    }
}
_LIMITS = {
    name: {"description": meaning, "schema": {"type": "string"}}
    for name, meaning in (
        ("RateLimit", "What is left: `r` requests during the next `t` seconds."),
        ("RateLimit-Policy", "What is granted: `q` requests in each `w` seconds."),
    )
}


class DescribedApi(Api):
    """The extension that makes the description, with our errors instead of its own."""

    DEFAULT_ERROR_RESPONSE_NAME = "PROBLEM"

    def _register_error_handlers(self) -> None:
        """Leave errors to portal.errors, which answers people and programs."""

    def _register_responses(self) -> None:
        content = {CONTENT_TYPE: {"schema": ProblemSchema}}
        for status in HTTPStatus:
            if status >= 400:
                response = {"description": status.phrase, "content": content}
                self.spec.components.response(status.name, response, lazy=True)
        default = {"description": "Any other error.", "content": content}
        self.spec.components.response("PROBLEM", default, lazy=True)

    def _register_pagination_header(self) -> None:
        """Leave out what no operation uses: its schema would stand in the description."""


def describe_events(api: Api) -> None:
    """Add what webhooks receive."""
    api.spec.components.schema("Event", schema=EventSchema)
    event = {
        "operationId": "receiveEvent",
        "summary": "A detection is done or has failed",
        "description": (
            "Posted to your webhooks, signed as the Standard Webhooks specification says: the header "
            "`webhook-signature` holds `v1,` and the base64 of the HMAC-SHA256 of "
            "`{webhook-id}.{webhook-timestamp}.{body}`. Answer with any status of 2xx within 10 seconds, or "
            "it is sent again."
        ),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Event"}}},
        },
        "responses": {"2XX": {"description": "Accepted."}},
    }
    api.spec.options["webhooks"] = {"detection": {"post": event}}
