"""Images that programs send: taken out of the request, checked, handed on."""

from flask import current_app, g, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import UnsupportedMediaType

from portal import images, judging
from portal.api import problems
from portal.formats import file_size
from portal.models import Detection


def one() -> tuple[str | None, bytes]:
    """Return name and bytes of the image in the request: the body itself, or the form's field `image`."""
    if request.mimetype == "multipart/form-data":
        file = request.files.get("image")
        if file is None:
            raise problems.invalid("The form has no file in a field named `image`.")
        return file.filename, read(file)
    if request.mimetype.startswith("image/") or request.mimetype == "application/octet-stream":
        return request.args.get("filename"), request.get_data()
    raise UnsupportedMediaType(
        "Send the image itself with Content-Type image/* or application/octet-stream, or a form "
        "(multipart/form-data) with the image in the field `image`."
    )


def many(maximum: int) -> list[FileStorage]:
    """Return the files in the form's fields `images`."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send a form (multipart/form-data) with the images in fields `images`.")
    files = request.files.getlist("images")
    if not 1 <= len(files) <= maximum:
        raise problems.invalid(f"Send 1 to {maximum} files, each in a field named `images`.")
    return files


def read(file: FileStorage) -> bytes:
    """Return the bytes of a file, but hardly more than an image may have."""
    return file.stream.read(current_app.config["MAX_UPLOAD_BYTES"] + 1)


def submit(name: str, data: bytes, wait: bool = True) -> Detection:
    """Have an image judged for whose key it is, as judging.submit does; raises Problem."""
    limit = current_app.config["MAX_UPLOAD_BYTES"]
    if len(data) > limit:
        detail = f"The limit is {file_size(limit)}. Send a smaller copy of the image."
        raise problems.Problem(413, problems.IMAGE_TOO_LARGE, "Image too large", detail)
    try:
        return judging.submit(g.api_user, name, data, wait=wait)
    except images.TooManyPixels as error:
        raise problems.Problem(413, problems.IMAGE_TOO_LARGE, "Image too large", str(error)) from error
    except images.Unusable as error:
        raise problems.Problem(422, problems.UNUSABLE_IMAGE, "Unusable image", str(error)) from error
