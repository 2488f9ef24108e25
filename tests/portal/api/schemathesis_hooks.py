"""What schemathesis cannot make up by itself: images, and addresses of web servers."""

import io
import re
import uuid

import schemathesis
from hypothesis import strategies as st
from PIL import Image


def _image(width: int, height: int, kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), (width, height, 90)).save(data, kind)
    return data.getvalue()


IMAGES = st.builds(_image, st.integers(1, 64), st.integers(1, 64), st.sampled_from(["PNG", "JPEG", "WEBP"]))

schemathesis.openapi.format("binary", IMAGES)
for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, IMAGES)
schemathesis.openapi.format(
    "url", st.sampled_from(["https://desk.example/", "http://desk.example/unmask?x=1"])
)


@schemathesis.hook
def before_call(_context: object, case: schemathesis.Case, _options: object) -> None:
    """Give each request a key of its own, where it has a valid one: for another request it is refused."""
    key = (case.headers or {}).get("Idempotency-Key")
    if key and re.fullmatch(r"[!-~]{1,255}", key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
