"""Binds the API to the application: routes, description, its interactive page, the account's pages."""

from flask import Flask

from portal.api import account, courier, detections, docs, hooks, idempotency, webhooks
from portal.api.describe import DESCRIPTION, DescribedApi, describe_events
from portal.config import Settings
from portal.outbound import Network


def init_app(app: Flask, settings: Settings, network: Network | None) -> None:
    """Add everything under /api, and the pages where people manage keys and webhooks."""
    app.config.update(
        API_TITLE="Unmask",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api/v1",
        API_SPEC_OPTIONS={
            "info": {"description": DESCRIPTION},
            "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
            "security": [{"key": []}],
        },
        API_RATE_LIMIT=settings.api_rate_limit,
    )
    api = DescribedApi(app)
    describe_events(api)
    for blueprint in (detections.blueprint, hooks.blueprint):
        api.register_blueprint(blueprint)
    app.register_blueprint(docs.blueprint)
    app.register_blueprint(account.blueprint)
    idempotency.init_app()
    webhooks.init_app()
    courier.init_app(app, settings, network)
