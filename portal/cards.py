"""What the model says of itself, kept for each version, so that an old verdict is read by its own figures."""

import logging
from typing import Any

from flask_babel import gettext, ngettext
from sqlalchemy import select

from portal.extensions import db, upsert
from portal.formats import number, share
from portal.inference import InferenceError, inference
from portal.models import Detection, ModelCard, now

logger = logging.getLogger(__name__)


def remember() -> ModelCard:
    """Ask the version in service for its card, and keep it; raises InferenceError."""
    card = inference().describe()
    model, version = str(card["model"]), str(card["model_version"])
    values = {"card": card, "seen_at": now()}
    db.session.execute(upsert(ModelCard, {"model": model, "version": version} | values, values))
    db.session.commit()
    return db.session.get_one(ModelCard, (model, version), populate_existing=True)


def remember_version(model: str, version: str) -> None:
    """Keep the card of a version that has just judged, unless it was the last one seen."""
    last = newest(model)
    if last is not None and last.version == version:
        return
    try:
        remember()
    except InferenceError as error:
        logger.warning("The card of %s %s is not known yet: %s", model, version, error)


def of(detection: Detection) -> ModelCard | None:
    """Return the card of the version that judged a detection."""
    if detection.model is None or detection.model_version is None:
        return None
    return db.session.get(ModelCard, (detection.model, detection.model_version))


def newest(model: str) -> ModelCard | None:
    """Return the card of the version that was last seen in service."""
    seen = select(ModelCard).where(ModelCard.model == model).order_by(ModelCard.seen_at.desc())
    return db.session.scalar(seen.limit(1))


def observed_error(detection: Detection) -> float | None:
    """How often verdicts of this certainty were wrong when the model was measured, in [0, 1]."""
    card = of(detection)
    levels = card.card["certainty"] if card else []
    return next(
        (float(each["observed_error"]) for each in levels if each["name"] == detection.certainty), None
    )


def figures(card: ModelCard) -> list[dict[str, Any]]:
    """Return what was measured on each set: its name, images, accuracy on real and fake ones, ROC AUC."""
    found = []
    for split, measured in card.card.get("metrics", {}).items():
        overall = measured["overall"]
        kept = {key: overall.get(key) for key in ("accuracy_real", "accuracy_fake", "roc_auc")}
        found.append({"name": set_name(split), "images": sum(overall["images"].values()), **kept})
    return found


def set_name(split: str) -> str:
    """Put the name of a set of measured images, such as test/NAME, into words; an unknown one stays."""
    kind, _, name = split.partition("/")
    if kind == "test" and name:
        return str(gettext("Test set %(name)s", name=name))
    return str({"val": gettext("Validation images"), "test": gettext("Test images")}.get(split, split))


def sentence(figure: dict[str, Any]) -> str:
    """Put the figures of one set into words."""
    return str(
        ngettext(
            "%(count)s image: %(real)s of the real and %(fake)s of the fake ones recognised, ROC AUC %(auc)s",
            "%(count)s images: %(real)s of the real and %(fake)s of the fake ones recognised, ROC AUC "
            "%(auc)s",
            figure["images"],
            count=number(figure["images"]),
            real=_share(figure["accuracy_real"]),
            fake=_share(figure["accuracy_fake"]),
            auc=gettext("n/a") if figure["roc_auc"] is None else number(figure["roc_auc"], 3),
        )
    )


def _share(value: float | None) -> str:
    return str(gettext("n/a")) if value is None else share(value, 1)
