"""Evidence in words: each finding with what it shows and what it does not, and the limits of the model."""

from dataclasses import dataclass
from typing import Any

from portal.marks import GENERATED

Details = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Finding:
    """One thing found in a file; `weight` is "strong", "weak" or "none", as evidence of how it was made."""

    weight: str
    title: str
    shows: str
    limits: str
    details: Details = ()


@dataclass(frozen=True)
class Caution:
    """Why the verdict on this image deserves less trust than usual."""

    title: str
    text: str


NO_CREDENTIALS = Finding(
    "none",
    "No Content Credentials",
    "The file carries no signed history.",
    "Nearly all images have none, real or not, and messengers and networks remove them.",
)
UNREADABLE_CREDENTIALS = Finding(
    "none",
    "Content Credentials that cannot be read",
    "The file carries something that looks like a signed history.",
    "It is damaged or of an unknown kind, and says nothing.",
)
INVALID_CREDENTIALS = Finding(
    "weak",
    "Broken Content Credentials",
    "The file was changed after it was signed, or the signature is wrong.",
    "Saving it again in a program that does not know of credentials suffices for that: it need not be fraud.",
)
GENERATED_CREDENTIALS = Finding(
    "strong",
    "Content Credentials name a generator",
    "Whoever signed this file declares that a model made the image or a part of it, and the file has not "
    "been changed since.",
    "Who the signer is was not checked against a list of trusted ones: read the name yourself.",
)
VALID_CREDENTIALS = Finding(
    "weak",
    "Intact Content Credentials",
    "The file has not been changed since it was signed, and its signed history is below.",
    "The history is what the signer states. Who that is was not checked against a list of trusted ones: read "
    "the name yourself.",
)
MARKS = {
    "source_type": Finding(
        "strong",
        "Declared as made by a model",
        "The metadata has the IPTC's mark for images that a model made, wholly or in part. Generators and "
        "agencies set it on purpose.",
        "It is not signed: anybody can write or remove it. That it is missing would mean nothing.",
    ),
    "generator": Finding(
        "strong",
        "Mark of an image generator",
        "The file carries what this generator writes into its images. Few would add it to a photograph.",
        "It is not signed: anybody can write or remove it. That it is missing would mean nothing.",
    ),
    "face_editor": Finding(
        "weak",
        "Mark of a program that changes faces",
        "The file was last saved by a program made for changing faces.",
        "It does not say what was changed, if anything.",
    ),
    "editor": Finding(
        "none",
        "Saved by an image editor",
        "The file went through an editor.",
        "Nearly every published photograph did: cropping and brightness are edits too.",
    ),
}
CAMERA = Finding(
    "weak",
    "Camera data",
    "The file names a camera, as photographs straight from it do.",
    "Anybody can write it, and fakes made from photographs often keep it.",
)
NO_CAMERA = Finding(
    "none",
    "No camera data",
    "The file does not say how it was taken.",
    "Messengers, networks and many editors remove it, so most images on the web have none.",
)
LOCATION = Finding(
    "none",
    "A location is stored in the file",
    "The metadata holds coordinates. They are not shown here, to protect people.",
    "Anybody can write them.",
)
QUALITY = Finding(
    "none",
    "JPEG compression",
    "The quality is estimated from the file's own quantisation tables.",
    "It tells how the file was last saved, not how often before, nor by whom.",
)
UNREADABLE_METADATA = Finding(
    "none",
    "Metadata that cannot be read",
    "The file carries metadata that breaks the rules of its format.",
    "Careless programs do that as well as forgers.",
)
CAUTIONS = {
    "tiny": Caution(
        "Very small image",
        "It has fewer than 128 pixels on one side, and the model looks at 224. Find a larger copy: "
        "of this one, the verdict says little.",
    ),
    "compressed": Caution(
        "Strongly compressed",
        "Its JPEG quality is below 50. That removes the fine traces that the model looks for. Find an "
        "earlier copy.",
    ),
    "screenshot": Caution(
        "Probably a screenshot",
        "Its size or its metadata are those of a screen. A screenshot is a new picture of the image, and the "
        "model knows none. Find the image itself.",
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
        found.append(_with(QUALITY, (("Quality of 100", str(evidence["jpeg_quality"])),)))
    return sorted(found, key=lambda each: ("strong", "weak", "none").index(each.weight))


def cautions(evidence: dict[str, Any] | None) -> list[Caution]:
    """Say why a verdict on this file deserves less trust than usual."""
    return [CAUTIONS[name] for name in evidence["warnings"]] if evidence else []


def _credentials(found: dict[str, Any] | None) -> Finding:
    if found is None:
        return NO_CREDENTIALS
    if found["state"] == "unreadable":
        return _with(UNREADABLE_CREDENTIALS, (("Reason", found["reason"]),))
    generated = GENERATED.intersection(found["source_types"])
    kind = VALID_CREDENTIALS if found["state"] == "valid" else INVALID_CREDENTIALS
    if found["state"] == "valid" and generated:
        kind = GENERATED_CREDENTIALS
    return _with(
        kind,
        (
            ("Signed by", found["signer"]),
            ("Signed at", found["signed_at"]),
            ("Made with", found["generator"]),
            ("Steps", ", ".join(found["actions"])),
            ("Source type", ", ".join(found["source_types"])),
            ("Problems", ", ".join(found["problems"])),
        ),
    )


def _mark(mark: dict[str, str]) -> Finding:
    return _with(MARKS[mark["kind"]], (("Mark", mark["name"]), ("Found in", mark["stands"])))


def _camera(metadata: dict[str, Any]) -> Finding:
    details = (
        ("Camera", metadata["camera"]),
        ("Lens", metadata["lens"]),
        ("Taken, by the camera's clock", metadata["taken_at"]),
        ("Software", metadata["software"]),
    )
    return _with(CAMERA if metadata["camera"] else NO_CAMERA, details)


def _with(finding: Finding, details: Details) -> Finding:
    shown = tuple((name, value) for name, value in details if value)
    return Finding(finding.weight, finding.title, finding.shows, finding.limits, shown)
