"""The interactive page of the API's description: Swagger UI, from the files that its package brings."""

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response, abort, render_template, send_from_directory

from portal.api import client
from portal.extensions import CONTENT_SECURITY_POLICY, talisman

FILES = Path(flask_swagger_ui.__file__).parent / "dist"
# All that the page loads; the package has more.
SERVED = ("swagger-ui.css", "swagger-ui-bundle.js")

# Swagger UI has its icons as data in its stylesheet.
POLICY = CONTENT_SECURITY_POLICY | {"img-src": "'self' data:"}

blueprint = Blueprint("api-page", __name__, url_prefix="/api/v1")


@blueprint.get("/docs")
@talisman(content_security_policy=POLICY)
def show() -> str:
    """Show the description, to be read and tried out."""
    return render_template("api/docs.html")


@blueprint.get("/docs/<name>")
def asset(name: str) -> Response:
    """Send a file of Swagger UI."""
    if name not in SERVED:
        abort(404)
    return send_from_directory(FILES, name)


@blueprint.get("/client.py")
def download_client() -> Response:
    """Send the Python client: one file, which needs httpx only."""
    path = Path(client.__file__)
    return send_from_directory(
        path.parent, path.name, mimetype="text/x-python", as_attachment=True, download_name="unmask_client.py"
    )
