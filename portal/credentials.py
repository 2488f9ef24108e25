"""Content Credentials (C2PA): the signed history that some cameras and programs write into an image."""

import importlib
import io
import json
import logging
from functools import cache
from typing import Any

from portal.languages import marked

logger = logging.getLogger(__name__)

TEXT_LENGTH = 120
ACTIONS = 20
# An embedded manifest is a JUMBF box labelled c2pa; without both words, there is nothing to read.
_SIGNS = (b"jumb", b"c2pa")
_SOURCE_TYPE = "cv.iptc.org/newscodes/digitalsourcetype/"
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
# The signer is judged by whoever reads its name: no list of trusted signers is built in.
_UNTRUSTED = "signingCredential.untrusted"


def credentials(data: bytes, mime: str) -> dict[str, Any] | None:
    """Read the credentials in an image file; None if it has none.

    `state` is "valid" (the signature fits this very file), "invalid" (changed after it was signed, or signed
    wrongly), or "unreadable". Nothing is fetched from the network: neither manifests kept elsewhere nor the
    state of a certificate.
    """
    if not all(sign in data for sign in _SIGNS):
        return None
    library = _library()
    if library is None:
        reason = marked("The library c2pa-python does not work on this server.")
        return {"state": "unreadable", "reason": reason}
    try:
        settings = library.Settings.from_dict(OFFLINE)
        with (
            library.Context(settings) as context,
            library.Reader(mime, io.BytesIO(data), context=context) as reader,
        ):
            return _summary(json.loads(reader.json()))
    except library.C2paError.ManifestNotFound:
        return None
    except library.C2paError as error:
        return {"state": "unreadable", "reason": _short(error)}


def _summary(store: dict[str, Any]) -> dict[str, Any]:
    manifests = store.get("manifests", {})
    active = manifests.get(store.get("active_manifest"), {})
    signature = active.get("signature_info") or {}
    generators = active.get("claim_generator_info") or [{"name": active.get("claim_generator")}]
    problems = [status["code"] for status in store.get("validation_status") or []]
    return {
        "state": "valid" if store.get("validation_state") in ("Valid", "Trusted") else "invalid",
        "signer": _short(signature.get("issuer")),
        "signed_at": _short(signature.get("time")),
        "generator": " ".join(_short(generators[0].get(key)) for key in ("name", "version")).strip(),
        "actions": _actions(active),
        # An image made from others carries their manifests too: a generator may stand in any of them.
        "source_types": sorted({kind for each in manifests.values() for kind in _source_types(each)}),
        "problems": sorted({_short(code) for code in problems if code != _UNTRUSTED}),
    }


def _steps(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    assertions = manifest.get("assertions") or []
    return [
        action
        for assertion in assertions
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
    ]


def _actions(manifest: dict[str, Any]) -> list[str]:
    names = [_short(step.get("action")).removeprefix("c2pa.") for step in _steps(manifest)]
    return list(dict.fromkeys(name for name in names if name))[:ACTIONS]


def _source_types(manifest: dict[str, Any]) -> set[str]:
    kinds = {str(step.get("digitalSourceType", "")) for step in _steps(manifest)}
    return {_short(kind.rsplit("/", 1)[-1]) for kind in kinds if _SOURCE_TYPE in kind}


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return "".join(character for character in text if character.isprintable())[:TEXT_LENGTH]


@cache
def _library() -> Any:
    try:
        return importlib.import_module("c2pa")
    except Exception:  # a native library that does not load has many ways to say so
        logger.exception("Content Credentials cannot be read")
        return None
