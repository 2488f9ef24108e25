"""The reader's language: the one the reader chose, or the browser's best match; English for programs."""

from contextlib import AbstractContextManager
from typing import Any, cast

from babel import Locale
from flask import Flask, has_request_context, request
from flask_babel import Babel, force_locale, get_locale, gettext
from werkzeug.wrappers import Response

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
COOKIE = "language"
# The texts in the code write dates the British way: 23 Nov 2026.
ENGLISH = Locale("en", "GB")
API = "/api/"


def choose() -> str:
    """Return the code of the language in which the present request is answered, a key of LANGUAGES."""
    if not has_request_context() or request.path.startswith(API):
        return "en"
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    for tag, quality in request.accept_languages:
        code = tag.partition("-")[0].lower()
        if quality > 0 and code in LANGUAGES:
            return code
    return "en"


def locale() -> Locale:
    """Return whose numbers and dates are written; English ones outside an application."""
    return cast("Locale | None", get_locale()) or ENGLISH


def language() -> str:
    """Return the code of the language that is spoken now."""
    return str(locale().language)


def english() -> AbstractContextManager[Any]:
    """Speak English in a block: for what is kept, or read by programs."""
    return cast("AbstractContextManager[Any]", force_locale(str(ENGLISH)))


def marked(text: str) -> str:
    """Mark an English text for the catalogues that is kept as it is, and translated when it is shown."""
    return text


def translated(text: str | None) -> str:
    """Translate a text that was kept in English; what no catalogue knows stays as it is."""
    return str(gettext(text)) if text else ""


def _tag() -> str:
    code = choose()
    return str(ENGLISH) if code == "en" else code


def init_app(app: Flask) -> None:
    """Translate everything that the application says, and tell caches on what the language depends."""
    Babel(app, locale_selector=_tag)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.filters["translated"] = translated
    app.jinja_env.globals.update(LANGUAGES=LANGUAGES, language=language)

    @app.after_request
    def vary(response: Response) -> Response:
        if request.endpoint != "static" and not request.path.startswith(API):
            response.vary.update(["Accept-Language", "Cookie"])
        return response
