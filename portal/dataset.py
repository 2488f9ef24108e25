"""Accepted claims as a data set: what `python -m training prepare` reads, and no name of any person."""

import csv
import io
import tempfile
import zipfile
from typing import IO, Any

from sqlalchemy import Select, select

from portal.extensions import db
from portal.models import Detection, Feedback, FeedbackStatus
from portal.storage import storage

SOURCE = "portal-feedback"
COLUMNS = (
    "file", "source", "label", "sha256", "verdict", "probability_real", "model_version", "reviewed_at"
)  # fmt: skip
SUFFIXES = {"JPEG": "jpg", "TIFF": "tif", "JPEG2000": "jp2"}


def accepted() -> tuple[IO[bytes], int]:
    """Return a ZIP of the accepted images in real/ and fake/ with manifest.csv, and how many they are.

    An image that several people claimed stands in it once. One that its owner no longer keeps is left out.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever sends it closes it
    manifest = io.StringIO()
    table = csv.DictWriter(manifest, COLUMNS, lineterminator="\n")
    table.writeheader()
    seen: set[str] = set()
    # Photographs do not get smaller by being compressed again.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for claim in db.session.scalars(_claims()):
            detection = claim.detection
            if detection.sha256 in seen or not detection.image_kept:
                continue
            row = _row(claim, detection)
            try:
                archive.write(storage().path(detection.sha256), row["file"])
            except FileNotFoundError:  # its owner deleted it just now
                continue
            seen.add(detection.sha256)
            table.writerow(row)
        archive.writestr("manifest.csv", manifest.getvalue())
    file.seek(0)
    return file, len(seen)


def _claims() -> Select[Any]:
    return select(Feedback).where(Feedback.status == FeedbackStatus.ACCEPTED).order_by(Feedback.id)


def _row(claim: Feedback, detection: Detection) -> dict[str, str]:
    kind = detection.image.format
    suffix = SUFFIXES.get(kind, kind.lower())
    return {
        "file": f"{claim.claimed_label}/{detection.sha256}.{suffix}",
        "source": SOURCE,
        "label": claim.claimed_label,
        "sha256": detection.sha256,
        "verdict": str(detection.label),
        "probability_real": str(detection.probability_real),
        "model_version": str(detection.model_version),
        "reviewed_at": claim.reviewed_at.isoformat() if claim.reviewed_at else "",
    }
