"""The web portal: accounts, uploads, verdicts, history, FAQ and administration in front of TorchServe."""

import logging
from datetime import timedelta
from pathlib import Path

import httpx
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from portal import (
    admin,
    auth,
    cli,
    detections,
    errors,
    faq,
    fetch,
    formats,
    history,
    inference,
    languages,
    pages,
    presentation,
    privacy,
    reports,
    routing,
    storage,
    uploads,
)
from portal.api import setup as api
from portal.config import Settings
from portal.extensions import CONTENT_SECURITY_POLICY, csrf, db, limiter, login_manager, migrate, talisman
from portal.outbound import Network

# What a multipart body needs beside the file.
FORM_OVERHEAD_BYTES = 64_000


def create_app(
    settings: Settings | None = None,
    transport: httpx.BaseTransport | None = None,
    network: Network | None = None,
) -> Flask:
    """Build the application from `settings`, or from the environment.

    In tests, `transport` stands in for the network to TorchServe, and `network` for the internet.
    """
    settings = settings or Settings.from_environment()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)

    app = Flask(__name__)
    _configure(app, settings)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]

    routing.init_app(app)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(Path(__file__).parent / "migrations"))
    login_manager.init_app(app)
    uploads.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
    talisman.init_app(
        app,
        force_https=False,  # a health check speaks HTTP; the proxy that ends TLS redirects people
        strict_transport_security=settings.https,
        session_cookie_secure=settings.https,
        content_security_policy=CONTENT_SECURITY_POLICY,
        frame_options="DENY",
        referrer_policy="same-origin",
    )
    inference.init_app(app, settings, transport)
    storage.init_app(app, settings.upload_folder)
    fetch.init_app(app, settings, network)

    languages.init_app(app)
    formats.init_app(app)
    presentation.init_app(app)
    errors.init_app(app)
    for feature in (pages, auth, uploads, detections, history, reports, privacy, faq, admin):
        app.register_blueprint(feature.blueprint)
    api.init_app(app, settings, network)
    cli.init_app(app, settings)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    url = settings.sqlalchemy_url()
    if url.drivername == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    app.config.from_mapping(
        SECRET_KEY=settings.session_key(),
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
        MAX_CONTENT_LENGTH=settings.max_upload_bytes + FORM_OVERHEAD_BYTES,
        PORTAL_URL=settings.portal_url,
        MAX_UPLOAD_BYTES=settings.max_upload_bytes,
        MAX_BATCH_BYTES=settings.max_batch_bytes,
        MAX_IMAGE_PIXELS=settings.max_image_pixels,
        TORCHSERVE_TIMEOUT=settings.torchserve_timeout,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # a form stays valid as long as the session it belongs to
        RATELIMIT_STORAGE_URI=settings.rate_limit_storage,
        LOGIN_RATE_LIMIT=settings.login_rate_limit,
        REGISTER_RATE_LIMIT=settings.register_rate_limit,
        FETCH_RATE_LIMIT=settings.fetch_rate_limit,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),  # static files carry their version in the address
    )
