"""Disputed verdicts: looking at them, deciding, and taking the accepted ones along as a data set."""

from flask import (
    Response,
    abort,
    flash,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import defer, joinedload, lazyload
from werkzeug.wrappers import Response as WerkzeugResponse

from portal import audit, dataset, evidence, feedback, pictures
from portal.admin.blueprint import PAGE_SIZE, blueprint
from portal.extensions import db
from portal.forms import ReviewForm
from portal.models import Detection, Feedback, FeedbackStatus, now
from portal.paging import asked_page


@blueprint.get("/reviews")
def reviews() -> str:
    """List disputed verdicts, open ones first of all."""
    try:
        status = FeedbackStatus(request.args.get("status", FeedbackStatus.OPEN))
    except ValueError:
        abort(404)
    shown = joinedload(Feedback.detection).options(defer(Detection.heatmap), lazyload(Detection.image))
    claims = feedback.with_status(status).options(shown, joinedload(Feedback.user))
    page = db.paginate(claims, page=asked_page(), per_page=PAGE_SIZE, max_per_page=PAGE_SIZE)
    return render_template("admin/reviews.html", page=page, status=status, counts=feedback.counts())


@blueprint.route("/reviews/<id:feedback_id>", methods=["GET", "POST"])
def review(feedback_id: int) -> str | WerkzeugResponse | tuple[str, int]:
    """Show a disputed verdict, and take the decision on it."""
    claim: Feedback = db.get_or_404(Feedback, feedback_id)
    form = ReviewForm(data={"note": claim.review_note})
    if not form.validate_on_submit():
        return _page(claim, form), 422 if form.is_submitted() else 200
    accepted = form.decision.data == "accept"
    try:
        feedback.review(claim, current_user, accepted, form.note.data or "")
    except feedback.NotPossible as error:
        form.note.errors = [str(error)]
        return _page(claim, form), 409
    target = f"{claim.user.name}: detection {claim.detection_id}"
    what = f"claimed {claim.claimed_label}, verdict {claim.detection.label}"
    audit.record(f"review.{form.decision.data}", target, f"{what}. {claim.review_note}".strip())
    db.session.commit()
    flash(gettext("The report is accepted.") if accepted else gettext("The report is rejected."), "success")
    following = db.session.scalar(feedback.with_status(FeedbackStatus.OPEN).limit(1))
    target_page = url_for(".review", feedback_id=following.id) if following else url_for(".reviews")
    return redirect(target_page, 303)


@blueprint.get("/reviews/<id:feedback_id>/<any(image, thumbnail):kind>")
def review_picture(feedback_id: int, kind: str) -> Response:
    """Send the picture of a disputed verdict: its owner allowed it with the report."""
    claim: Feedback = db.get_or_404(Feedback, feedback_id)
    send = {"image": pictures.preview, "thumbnail": pictures.thumbnail}[kind]
    return _private(send(claim.detection))


@blueprint.get("/reviews/<id:feedback_id>/heatmap")
def review_heatmap(feedback_id: int) -> Response:
    """Send the heatmap of a disputed verdict."""
    claim: Feedback = db.get_or_404(Feedback, feedback_id)
    return _private(pictures.heatmap(claim.detection))


@blueprint.post("/reviews/export")
def export_reviews() -> Response:
    """Send the accepted images as a data set for training."""
    file, count = dataset.accepted()
    audit.record("review.export", "data set", f"images: {count}")
    db.session.commit()
    name = f"unmask-feedback-{now():%Y%m%d-%H%M}.zip"
    return _private(send_file(file, "application/zip", as_attachment=True, download_name=name))


def _page(claim: Feedback, form: ReviewForm) -> str:
    found = evidence.of(claim.detection.image) if claim.detection.image_kept else None
    return render_template("admin/review.html", claim=claim, form=form, evidence=found)


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-store"
    return response
