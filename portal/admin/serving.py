"""The page of TorchServe: its state, its workers and versions, and what can be done about them."""

from collections.abc import Callable

from flask import Response, flash, jsonify, redirect, render_template, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import serving, usage
from portal.admin.blueprint import blueprint
from portal.errors import wants_json
from portal.forms import RegisterModelForm, ScaleForm
from portal.inference import InferenceError, Unavailable
from portal.inference.management import MOST_WORKERS

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
        return _page(
            gettext(
                "Give a whole number of workers for version %(version)s, from 0 to %(most)s.",
                version=version,
                most=MOST_WORKERS,
            )
        ), 422
    workers = form.workers.data or 0
    none = gettext("Version %(version)s goes on without a worker, and judges nothing.", version=version)
    return _carried_out(
        lambda: serving.scale(version, workers),
        none
        if workers == 0
        else ngettext(
            "Version %(version)s is on its way to %(num)s worker. A worker that starts loads the model "
            "first.",
            "Version %(version)s is on its way to %(num)s workers. A worker that starts loads the model "
            "first.",
            workers,
            version=version,
        ),
    )


@blueprint.post("/serving/<version>/default")
def set_default_version(version: str) -> Page:
    """Let a version give the verdicts from now on."""
    return _carried_out(
        lambda: serving.set_default(version),
        gettext("Version %(version)s gives the verdicts from now on.", version=version),
    )


@blueprint.post("/serving/register")
def register_version() -> Page:
    """Load an archive from the model store."""
    form = RegisterModelForm()
    if not form.validate_on_submit():
        return _page(
            gettext("Name an archive of the model store, and 1 to %(most)s workers.", most=MOST_WORKERS)
        ), 422
    archive, workers = form.archive.data or "", form.workers.data or 1
    return _carried_out(
        lambda: serving.register(archive, workers), gettext("%(archive)s is registered.", archive=archive)
    )


@blueprint.post("/serving/<version>/unregister")
def unregister_version(version: str) -> Page:
    """Remove a version from TorchServe; its archive stays in the model store."""
    return _carried_out(
        lambda: serving.unregister(version),
        gettext("Version %(version)s is removed from TorchServe.", version=version),
    )


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
