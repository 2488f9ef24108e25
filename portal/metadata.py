"""What an image file says about itself: EXIF, XMP and text chunks, read without believing any of it."""

import re
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image
from PIL.ExifTags import IFD, Base

TEXT_LENGTH = 120
# Generators write their whole prompt; what identifies them stands at the beginning or in the keys.
SCAN_LENGTH = 4000
_CREATOR = re.compile(r"xmp:CreatorTool(?:=\"|>)([^\"<]{1,200})")
_SOURCE_TYPE = re.compile(r"DigitalSourceType.{0,200}?newscodes/digitalsourcetype/(\w{1,60})", re.DOTALL)


@dataclass(frozen=True)
class Metadata:
    """The parts of a file's metadata that say where it may come from; all of it can be forged or removed."""

    camera: str = ""
    lens: str = ""
    software: str = ""
    taken_at: str = ""
    has_location: bool = False
    comment: str = ""
    source_types: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)


def read(image: Image.Image) -> Metadata:
    """Read the metadata of an opened image file."""
    if image.format == "PNG":
        image.load()  # text may stand behind the pixels
    exif = image.getexif()
    details = exif.get_ifd(IFD.Exif)
    xmp = _xmp(image)
    creator = _CREATOR.search(xmp)
    return Metadata(
        camera=_camera(short(exif.get(Base.Make)), short(exif.get(Base.Model))),
        lens=short(details.get(Base.LensModel)),
        software=short(exif.get(Base.Software)) or short(creator[1] if creator else ""),
        taken_at=_time(details.get(Base.DateTimeOriginal)),
        has_location=bool(exif.get_ifd(IFD.GPSInfo)),
        comment=_comment(details.get(Base.UserComment)),
        source_types=tuple(sorted(set(_SOURCE_TYPE.findall(xmp)))),
        texts={str(key): value[:SCAN_LENGTH] for key, value in image.info.items() if isinstance(value, str)},
    )


def short(value: Any) -> str:
    """Return a value of a tag as one line that can be shown."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = "" if value is None else str(value)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:TEXT_LENGTH]


def _camera(make: str, model: str) -> str:
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def _time(value: Any) -> str:
    # EXIF writes 2026:03:01 12:00:00.
    return short(value).replace(":", "-", 2)


def _comment(value: Any) -> str:
    # The first eight bytes name the encoding (Exif 2.32, 4.6.5, UserComment).
    if isinstance(value, str):
        return value[:SCAN_LENGTH]
    if not isinstance(value, bytes):
        return ""
    kind, body = value[:8], value[8 : 8 + 2 * SCAN_LENGTH]
    if kind.startswith(b"UNICODE"):
        # The byte order is nowhere stated: in the right one, most of the high bytes are zero.
        big = body[0::2].count(0) >= body[1::2].count(0)
        return body.decode("utf-16-be" if big else "utf-16-le", "replace")
    return (body if kind.startswith(b"ASCII") else value).decode("utf-8", "replace")[:SCAN_LENGTH]


def _xmp(image: Image.Image) -> str:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if packet is None and image.format == "TIFF":
        packet = image.getexif().get(ExifTags.Base.XMLPacket)
    if isinstance(packet, bytes):
        return packet.decode("utf-8", "replace")
    return packet if isinstance(packet, str) else ""
