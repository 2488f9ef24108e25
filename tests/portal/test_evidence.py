"""What is found in a file beside the verdict: metadata, credentials, marks, and limits of the model."""

import datetime
import io
import json
from functools import cache
from html import unescape
from typing import Any

import c2pa
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from portal import credentials
from portal.evidence import examine, jpeg_quality
from portal.extensions import db
from portal.findings import findings
from portal.models import Image as StoredImage
from tests.portal.conftest import PHOTOGRAPH, VERDICT, FakeServing, upload

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def saved(kind: str = "JPEG", size: tuple[int, int] = (300, 200), **options: Any) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (90, 120, 160)).save(data, kind, **options)
    return data.getvalue()


def with_exif(**tags: Any) -> bytes:
    """A JPEG with EXIF tags, named as in Pillow; those of the camera's own part begin with `exif_`."""
    exif = Image.Exif()
    codes = {"make": 0x010F, "model": 0x0110, "software": 0x0131}
    details = {"taken": 0x9003, "lens": 0xA434, "comment": 0x9286}
    for name, value in tags.items():
        if name in codes:
            exif[codes[name]] = value
        elif name == "location":
            exif.get_ifd(0x8825)[1] = value
        else:
            exif.get_ifd(0x8769)[details[name]] = value
    return saved(exif=exif)


def with_text(**texts: str) -> bytes:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return saved("PNG", pnginfo=info)


def xmp(body: str) -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>{body}</rdf:RDF></x:xmpmeta>'.encode()


PARAMETERS = "a face\nSteps: 20, Sampler: Euler a, CFG scale: 7"
DECLARED = f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
AS_ATTRIBUTE = f'<rdf:Description Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>'


def titles(data: bytes) -> list[str]:
    return [finding.title for finding in findings(examine(data))]


@cache
def signer() -> c2pa.Signer:
    """A signer of Content Credentials that nobody knows."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Drawing Works"),
                   x509.NameAttribute(NameOID.COMMON_NAME, name)])
        for name in ("authority", "signer")
    ]  # fmt: skip

    def certificate(number: int) -> x509.Certificate:
        is_ca = number == 0
        usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[number])
            .issuer_name(names[0])
            .public_key(keys[number].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_ca, None), True)
            .add_extension(usage, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[number].public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), False)
        )
        if not is_ca:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, False)
        return builder.sign(keys[0], hashes.SHA256())

    chain = b"".join(certificate(n).public_bytes(serialization.Encoding.PEM) for n in (1, 0))
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, keys[1].private_bytes(*formats), None)
    return c2pa.Signer.from_info(info)


def signed(data: bytes, mime: str, source_type: str = CAPTURE) -> bytes:
    """The file with Content Credentials that say what made it."""
    action = {"action": "c2pa.created", "digitalSourceType": source_type}
    manifest = {
        "claim_generator_info": [{"name": "Test program", "version": "2"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    out = io.BytesIO()
    with c2pa.Builder(manifest) as builder:
        builder.sign(signer(), mime, io.BytesIO(data), out)
    return out.getvalue()


def test_a_photograph_with_nothing_in_it_says_so() -> None:
    found = examine(PHOTOGRAPH)
    assert found["credentials"] is None
    assert found["marks"] == found["warnings"] == found["unreadable"] == []
    assert titles(PHOTOGRAPH) == ["No Content Credentials", "No camera data", "JPEG compression"]
    assert json.loads(json.dumps(found)) == found


def test_camera_software_and_time_are_read_and_a_location_only_noticed() -> None:
    data = with_exif(
        make="Canon", model="Canon EOS R5", software="Firmware 1.8", taken="2026:03:01 12:00:00", location="N"
    )
    found = examine(data)
    assert found["metadata"] == {
        "camera": "Canon EOS R5",
        "lens": "",
        "software": "Firmware 1.8",
        "taken_at": "2026-03-01 12:00:00",
        "has_location": True,
    }
    assert {"Camera data", "A location is stored in the file"} <= set(titles(data))


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        (with_text(parameters=PARAMETERS), "generator", "Stable Diffusion"),
        (with_text(workflow='{"nodes": []}'), "generator", "ComfyUI"),
        (with_text(prompt='{"3": {"class_type": "KSampler"}}'), "generator", "ComfyUI"),
        (with_text(invokeai_metadata="{}"), "generator", "InvokeAI"),
        (with_text(Software="NovelAI"), "generator", "NovelAI"),
        (with_exif(comment=b"UNICODE\0" + PARAMETERS.encode("utf-16-be")), "generator", "Stable Diffusion"),
        (with_exif(comment=b"UNICODE\0" + PARAMETERS.encode("utf-16-le")), "generator", "Stable Diffusion"),
        (with_exif(software="Adobe Firefly 3"), "generator", "Adobe Firefly"),
        (with_exif(software="FaceApp 11.2"), "face_editor", "FaceApp"),
        (with_exif(software="Adobe Photoshop 25.0 (Windows)"), "editor", "Adobe Photoshop"),
        (saved(xmp=xmp(DECLARED)), "source_type", "trainedAlgorithmicMedia"),
        (saved("WEBP", xmp=xmp(AS_ATTRIBUTE)), "source_type", "trainedAlgorithmicMedia"),
        (saved(xmp=xmp("<xmp:CreatorTool>Midjourney</xmp:CreatorTool>")), "generator", "Midjourney"),
    ],
)
def test_known_marks_are_found(data: bytes, kind: str, name: str) -> None:
    assert [(mark["kind"], mark["name"]) for mark in examine(data)["marks"]] == [(kind, name)]


@pytest.mark.parametrize(
    "data",
    [
        with_text(parameters="a note of my own", prompt="who?", workflow="scan, crop"),
        saved(xmp=xmp("<x>http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture</x>")),
        saved(xmp=xmp(f"<dc:description>no {SOURCE_TYPE}</dc:description>")),
        with_exif(software="Ver.1.0", comment=b"ASCII\0\0\0Steps: by the sea"),
    ],
)
def test_what_only_resembles_a_mark_is_none(data: bytes) -> None:
    assert examine(data)["marks"] == []


@pytest.mark.parametrize(
    ("kind", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
def test_credentials_of_a_generator_are_read(kind: str, mime: str) -> None:
    data = signed(saved(kind), mime, SOURCE_TYPE)
    found = examine(data)["credentials"]
    assert (found["state"], found["signer"], found["problems"]) == ("valid", "Drawing Works", [])
    assert found["generator"] == "Test program 2"
    assert (found["actions"], found["source_types"]) == (["created"], ["trainedAlgorithmicMedia"])
    assert titles(data)[0] == "Content Credentials name a generator"


def test_other_credentials_are_no_sign_of_a_generator() -> None:
    assert "Intact Content Credentials" in titles(signed(saved(), "image/jpeg"))


def test_a_file_changed_after_it_was_signed_has_broken_credentials() -> None:
    data = bytearray(signed(saved(), "image/jpeg", SOURCE_TYPE))
    data[-40] ^= 0xFF
    found = examine(bytes(data))["credentials"]
    assert (found["state"], found["problems"]) == ("invalid", ["assertion.dataHash.mismatch"])
    assert "Broken Content Credentials" in titles(bytes(data))


def test_words_that_look_like_credentials_are_none_or_unreadable() -> None:
    found = examine(saved(comment=b"jumb c2pa"))
    assert found["credentials"] is None or found["credentials"]["state"] == "unreadable"
    assert found["unreadable"] == []


def test_without_the_library_all_else_is_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(name: str) -> None:
        raise OSError("libc2pa_c.so: cannot open shared object file")

    data = signed(with_exif(model="Camera"), "image/jpeg")
    credentials._library.cache_clear()
    monkeypatch.setattr("importlib.import_module", broken)
    try:
        found = examine(data)
    finally:
        credentials._library.cache_clear()
    assert found["credentials"]["state"] == "unreadable"
    assert found["metadata"]["camera"] == "Camera"
    assert "Content Credentials cannot be read" in caplog.text


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_metadata_does_not_keep_an_image_out(app: Flask, client: FlaskClient, ada: int) -> None:
    data = saved(exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 30)
    assert upload(client, data).status_code == 303


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90, 98])
def test_the_jpeg_quality_is_estimated(quality: int) -> None:
    estimate = jpeg_quality(Image.open(io.BytesIO(saved(quality=quality))))
    assert estimate == quality
    assert jpeg_quality(Image.open(io.BytesIO(saved("PNG")))) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved(size=(127, 300)), ["tiny"]),
        (saved(size=(128, 300)), []),
        (saved(quality=30), ["compressed"]),
        (saved(quality=60), []),
        (saved("PNG", size=(1080, 2400)), ["screenshot"]),
        (saved("PNG", size=(2400, 1080)), ["screenshot"]),
        (saved("JPEG", size=(1920, 1080)), []),
        (with_text(Software="gnome-screenshot"), ["screenshot"]),
        (with_exif(comment=b"ASCII\0\0\0Screenshot"), ["screenshot"]),
    ],
)
def test_what_the_model_does_not_know_is_warned_of(data: bytes, expected: list[str]) -> None:
    assert examine(data)["warnings"] == expected


@pytest.mark.parametrize(
    ("faces", "expected"),
    [(0, "No face was found"), (3, "More than one face was found"), (1, ""), (None, "")],
)
def test_a_picture_of_anything_but_one_face_is_warned_of(
    client: FlaskClient, ada: int, serving: FakeServing, faces: int | None, expected: str
) -> None:
    serving.answer = lambda _: httpx.Response(200, json=VERDICT | {"faces": faces})
    upload(client)
    for path in ("/detections/1", "/detections/1/report"):
        page = client.get(path).get_data(as_text=True)
        assert expected in page
        assert ("face was found" in page) == bool(expected)


def test_the_page_says_what_each_finding_shows_and_what_not(client: FlaskClient, ada: int) -> None:
    upload(client, with_text(parameters="Steps: 20, Sampler: Euler a"), "render.png")
    text = unescape(client.get("/detections/1").get_data(as_text=True))
    for words in (
        "Mark of an image generator",
        "Strong sign of a generator",
        "Stable Diffusion",
        "anybody can write or remove it",
    ):
        assert words in text


def test_a_file_is_examined_once_and_again_when_the_portal_sees_more(
    app: Flask, client: FlaskClient, ada: int
) -> None:
    upload(client, with_exif(model="Camera"))
    with app.app_context():
        image = db.session.query(StoredImage).one()
        image.evidence = image.evidence | {"marks": [{"kind": "editor", "name": "kept", "stands": "here"}]}
        db.session.commit()
        assert "kept" in client.get("/detections/1").get_data(as_text=True)
        image.evidence = image.evidence | {"version": 0}
        db.session.commit()
    assert "kept" not in client.get("/detections/1").get_data(as_text=True)
