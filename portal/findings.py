"""Evidence in words: each finding with what it shows and what it does not, and the limits of the model."""

from dataclasses import dataclass, replace
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from portal.formats import number
from portal.languages import translated
from portal.marks import CHUNK, GENERATED

Details = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Finding:
    """One thing found in a file; `weight` is "strong", "weak" or "none", `sign` says of what."""

    weight: str
    title: str
    shows: str
    limits: str
    sign: str = _("No sign")
    details: Details = ()


@dataclass(frozen=True)
class Caution:
    """Why the verdict on this image deserves less trust than usual."""

    title: str
    text: str


NO_CREDENTIALS = Finding(
    "none",
    _("No Content Credentials"),
    _("The file carries no signed history."),
    _("Nearly all images have none, real or not, and messengers and networks remove them."),
)
UNREADABLE_CREDENTIALS = Finding(
    "none",
    _("Content Credentials that cannot be read"),
    _("The file carries something that looks like a signed history."),
    _("It is damaged or of an unknown kind, and says nothing."),
)
INVALID_CREDENTIALS = Finding(
    "weak",
    _("Broken Content Credentials"),
    _("The file was changed after it was signed, or the signature is wrong."),
    _(
        "Saving it again in a program that does not know of credentials suffices for that: it need not be "
        "fraud."
    ),
    _("Weak sign of a change"),
)
GENERATED_CREDENTIALS = Finding(
    "strong",
    _("Content Credentials name a generator"),
    _(
        "Whoever signed this file declares that a model made the image or a part of it, and the file has not "
        "been changed since."
    ),
    _("Who the signer is was not checked against a list of trusted ones: read the name yourself."),
    _("Strong sign of a generator"),
)
VALID_CREDENTIALS = Finding(
    "weak",
    _("Intact Content Credentials"),
    _("The file has not been changed since it was signed, and its signed history is below."),
    _(
        "The history is what the signer states. Who that is was not checked against a list of trusted ones: "
        "read the name yourself."
    ),
    _("Weak sign of an unchanged file"),
)
MARKS = {
    "source_type": Finding(
        "strong",
        _("Declared as made by a model"),
        _(
            "The metadata has the IPTC's mark for images that a model made, wholly or in part. Generators "
            "and agencies set it on purpose."
        ),
        _("It is not signed: anybody can write or remove it. That it is missing would mean nothing."),
        _("Strong sign of a generator"),
    ),
    "generator": Finding(
        "strong",
        _("Mark of an image generator"),
        _("The file carries what this generator writes into its images. Few would add it to a photograph."),
        _("It is not signed: anybody can write or remove it. That it is missing would mean nothing."),
        _("Strong sign of a generator"),
    ),
    "face_editor": Finding(
        "weak",
        _("Mark of a program that changes faces"),
        _("The file was last saved by a program made for changing faces."),
        _("It does not say what was changed, if anything."),
        _("Weak sign of a change"),
    ),
    "editor": Finding(
        "none",
        _("Saved by an image editor"),
        _("The file went through an editor."),
        _("Nearly every published photograph did: cropping and brightness are edits too."),
    ),
}
CAMERA = Finding(
    "weak",
    _("Camera data"),
    _("The file names a camera, as photographs straight from it do."),
    _("Anybody can write it, and fakes made from photographs often keep it."),
    _("Weak sign of a photograph"),
)
NO_CAMERA = Finding(
    "none",
    _("No camera data"),
    _("The file does not say how it was taken."),
    _("Messengers, networks and many editors remove it, so most images on the web have none."),
)
LOCATION = Finding(
    "none",
    _("A location is stored in the file"),
    _("The metadata holds coordinates. They are not shown here, to protect people."),
    _("Anybody can write them."),
)
QUALITY = Finding(
    "none",
    _("JPEG compression"),
    _("The quality is estimated from the file's own quantisation tables."),
    _("It tells how the file was last saved, not how often before, nor by whom."),
)
UNREADABLE_METADATA = Finding(
    "none",
    _("Metadata that cannot be read"),
    _("The file carries metadata that breaks the rules of its format."),
    _("Careless programs do that as well as forgers."),
)
CAUTIONS = {
    "tiny": Caution(
        _("Very small image"),
        _(
            "It has fewer than 128 pixels on one side, and the model looks at 224. Find a larger copy: "
            "of this one, the verdict says little."
        ),
    ),
    "compressed": Caution(
        _("Strongly compressed"),
        _(
            "Its JPEG quality is below 50. That removes the fine traces that the model looks for. Find an "
            "earlier copy."
        ),
    ),
    "screenshot": Caution(
        _("Probably a screenshot"),
        _(
            "Its size or its metadata are those of a screen. A screenshot is a new picture of the image, "
            "and the model knows none. Find the image itself."
        ),
    ),
    "no_face": Caution(
        _("No face was found"),
        _(
            "The model has learned from pictures of faces only. Of a picture without one, or with one too "
            "small to see, its verdict says nothing."
        ),
    ),
    "faces": Caution(
        _("More than one face was found"),
        _(
            "The model has learned from pictures of one face, and judges this one as a whole. Cut out the "
            "face that matters, and upload that."
        ),
    ),
}


def findings(evidence: dict[str, Any] | None) -> list[Finding]:
    """Put evidence into words, the strongest first."""
    if evidence is None:
        return []
    found = [_credentials(evidence["credentials"]), *map(_mark, evidence["marks"])]
    if "metadata" in evidence["unreadable"]:
        found.append(UNREADABLE_METADATA)
    else:
        found.append(_camera(evidence["metadata"]))
    if evidence["metadata"]["has_location"]:
        found.append(LOCATION)
    if evidence["jpeg_quality"] is not None:
        quality = gettext("%(quality)s of 100", quality=number(evidence["jpeg_quality"]))
        found.append(_with(QUALITY, ((gettext("Quality"), quality),)))
    return sorted(found, key=lambda each: ("strong", "weak", "none").index(each.weight))


def cautions(evidence: dict[str, Any] | None, faces: int | None) -> list[Caution]:
    """Say why a verdict on this file, with so many faces if they were counted, deserves less trust."""
    names = list(evidence["warnings"]) if evidence else []
    if faces is not None and faces != 1:
        names.insert(0, "faces" if faces else "no_face")
    return [CAUTIONS[name] for name in names]


def _credentials(found: dict[str, Any] | None) -> Finding:
    if found is None:
        return NO_CREDENTIALS
    if found["state"] == "unreadable":
        return _with(UNREADABLE_CREDENTIALS, ((gettext("Reason"), translated(found["reason"])),))
    generated = GENERATED.intersection(found["source_types"])
    kind = VALID_CREDENTIALS if found["state"] == "valid" else INVALID_CREDENTIALS
    if found["state"] == "valid" and generated:
        kind = GENERATED_CREDENTIALS
    return _with(
        kind,
        (
            (gettext("Signed by"), found["signer"]),
            (gettext("Signed at"), found["signed_at"]),
            (gettext("Made with"), found["generator"]),
            (gettext("Steps"), ", ".join(found["actions"])),
            (gettext("Source type"), ", ".join(found["source_types"])),
            (gettext("Problems"), ", ".join(found["problems"])),
        ),
    )


def _mark(mark: dict[str, str]) -> Finding:
    return _with(
        MARKS[mark["kind"]], ((gettext("Mark"), mark["name"]), (gettext("Found in"), _place(mark["stands"])))
    )


def _place(stands: str) -> str:
    if stands.startswith(CHUNK):
        return str(gettext("text chunk “%(key)s”", key=stands.removeprefix(CHUNK).strip("“”")))
    return translated(stands)


def _camera(metadata: dict[str, Any]) -> Finding:
    details = (
        (gettext("Camera"), metadata["camera"]),
        (gettext("Lens"), metadata["lens"]),
        (gettext("Taken, by the camera's clock"), metadata["taken_at"]),
        (gettext("Software"), metadata["software"]),
    )
    return _with(CAMERA if metadata["camera"] else NO_CAMERA, details)


def _with(finding: Finding, details: Details) -> Finding:
    return replace(finding, details=tuple((name, value) for name, value in details if value))
