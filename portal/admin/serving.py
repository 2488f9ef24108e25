"""The page of TorchServe: its state, its workers and versions, and what can be done about them."""

from collections.abc import Callable

from flask import Response, flash, jsonify, redirect, render_template, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import serving, usage
from portal.admin.blueprint import blueprint
from portal.errors import wants_json
from portal.forms import RegisterModelForm, ScaleForm
from portal.inference import InferenceError, Unavailable

Page = str | WerkzeugResponse | tuple[str, int]


@blueprint.get("/serving")
def serving_state() -> str | Response:
    """Show how the model is served; as JSON, a word that changes with the workers."""
    if wants_json():
        return jsonify(state=serving.look().fingerprint)
    return _page()


@blueprint.post("/serving/<version>/scale")
def scale_version(version: str) -> Page:
    """Set the number of workers of a version."""
    form = ScaleForm()
    if not form.validate_on_submit():
        return _page(f"The number of workers for version {version} is not valid."), 422
    workers = form.workers.data or 0
    return _carried_out(
        lambda: serving.scale(version, workers),
        f"Version {version} is on its way to {workers} workers. A worker that starts loads the model first.",
    )


@blueprint.post("/serving/<version>/default")
def set_default_version(version: str) -> Page:
    """Let a version give the verdicts from now on."""
    return _carried_out(
        lambda: serving.set_default(version), f"Version {version} gives the verdicts from now on."
    )


@blueprint.post("/serving/register")
def register_version() -> Page:
    """Load an archive from the model store."""
    form = RegisterModelForm()
    if not form.validate_on_submit():
        return _page("Name an archive of the model store, and at least one worker."), 422
    archive, workers = form.archive.data or "", form.workers.data or 1
    return _carried_out(lambda: serving.register(archive, workers), f"{archive} is registered.")


@blueprint.post("/serving/<version>/unregister")
def unregister_version(version: str) -> Page:
    """Remove a version from TorchServe; its archive stays in the model store."""
    return _carried_out(lambda: serving.unregister(version), f"Version {version} is removed from TorchServe.")


def _carried_out(action: Callable[[], None], message: str) -> Page:
    try:
        action()
    except InferenceError as error:
        return _page(str(error)), 503 if isinstance(error, Unavailable) else 409
    flash(message, "success")
    return redirect(url_for(".serving_state"), 303)


def _page(error: str = "") -> str:
    return render_template(
        "admin/serving.html",
        look=serving.look(),
        error=error,
        recent=usage.last_day(),
        waiting=usage.waiting(),
    )
