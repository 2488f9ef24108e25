"""Marks that programs leave in image files, by which a generator, an editor or a screenshot is known."""

from portal.languages import marked
from portal.metadata import Metadata, short

# IPTC's digital source types for images that a model made, wholly or in part.
GENERATED = {
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
}
# How the place of a mark in a PNG file begins, before the name of the chunk.
CHUNK = "text chunk "
# Keys of text chunks that a generator writes, and what must stand in them.
_CHUNKS = (
    ("parameters", "Steps: ", "Stable Diffusion"),
    ("workflow", '"nodes"', "ComfyUI"),
    ("prompt", '"class_type"', "ComfyUI"),
    ("invokeai_metadata", "", "InvokeAI"),
    ("sd-metadata", "", "InvokeAI"),
    ("Dream", "", "InvokeAI"),
    ("fooocus_scheme", "", "Fooocus"),
    ("Software", "NovelAI", "NovelAI"),
    ("Description", "Job ID:", "Midjourney"),
)
_GENERATORS = (
    "Adobe Firefly",
    "ComfyUI",
    "DALL-E",
    "DALL·E",
    "Draw Things",
    "Fooocus",
    "Google Imagen",
    "Ideogram",
    "InvokeAI",
    "Leonardo",
    "Midjourney",
    "NovelAI",
    "Stable Diffusion",
    "Made with Google AI",
)
_FACE_EDITORS = ("DeepFaceLab", "FaceApp", "FaceFusion", "Facetune", "Meitu", "Reface", "Remini", "roop")
_EDITORS = (
    "Adobe Photoshop",
    "Affinity Photo",
    "Canva",
    "GIMP",
    "Krita",
    "Lightroom",
    "Paint.NET",
    "PicsArt",
    "Pixelmator",
    "Snapseed",
)
_SCREENSHOTS = ("screenshot", "screencapture", "snipping tool", "flameshot", "spectacle", "greenshot")


def marks(metadata: Metadata) -> list[dict[str, str]]:
    """Return the marks in a file's metadata, strongest first, each with `kind`, `name` and where it `stands`.

    `kind` is "source_type" (declared by the maker), "generator", "face_editor" or "editor".
    """
    found = [
        {"kind": "source_type", "name": kind, "stands": "XMP"}
        for kind in metadata.source_types
        if kind in GENERATED
    ]
    found += [
        {"kind": "generator", "name": name, "stands": f"{CHUNK}“{key}”"}
        for key, sign, name in _CHUNKS
        if key in metadata.texts and sign in metadata.texts[key]
    ]
    if "Steps: " in metadata.comment and "Sampler: " in metadata.comment:
        found.append({"kind": "generator", "name": "Stable Diffusion", "stands": marked("EXIF user comment")})
    software = " ".join([metadata.software, short(metadata.texts.get("Software"))])
    for kind, names in (
        ("generator", _GENERATORS),
        ("face_editor", _FACE_EDITORS),
        ("editor", _EDITORS),
    ):
        found += [
            {"kind": kind, "name": name, "stands": marked("software tag")}
            for name in names
            if name.lower() in software.lower()
        ]
    return list({(mark["kind"], mark["name"]): mark for mark in reversed(found)}.values())[::-1]


def says_screenshot(metadata: Metadata) -> bool:
    """Whether the file's metadata calls it a screenshot."""
    said = " ".join([metadata.software, metadata.comment, *map(short, metadata.texts.values())]).lower()
    return any(sign in said for sign in _SCREENSHOTS)
