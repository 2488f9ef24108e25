"""What every request to the API passes: its key, and the limits of that key."""

import time

from flask import Blueprint, Response, current_app, g, request
from flask_limiter import RequestLimit

from portal.api.keys import authenticate
from portal.extensions import csrf, limiter


def protect(blueprint: Blueprint) -> None:
    """Ask for a key and count it, and say how many requests are left."""
    csrf.exempt(blueprint)  # the key is in a header, which no other site can make a browser send
    blueprint.before_request(authenticate)
    blueprint.before_request(_count)
    blueprint.after_request(_tell)


@limiter.shared_limit(
    lambda: current_app.config["API_RATE_LIMIT"],
    scope="api",
    key_func=lambda: f"key {g.api_key_id}",
    cost=lambda: max(1, len(request.files.getlist("images"))),
)
def _count() -> None:
    """Raise TooManyRequests where the share is used up; each file of a batch counts."""


def _tell(response: Response) -> Response:
    """Add the header fields of draft-ietf-httpapi-ratelimit-headers, and Retry-After on 429."""
    states = {_name(state): state for state in limiter.current_limits}
    if states:
        policies = [
            f"{name};q={state.limit.amount};w={state.limit.get_expiry()}" for name, state in states.items()
        ]
        left = [f"{name};r={state.remaining};t={_seconds(state)}" for name, state in states.items()]
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(left)
    breached = [_seconds(state) for state in states.values() if state.breached]
    if response.status_code == 429 and breached:
        response.headers["Retry-After"] = str(max(breached))
    return response


def _name(state: RequestLimit) -> str:
    return f'"per-{state.limit.get_expiry()}-seconds"'


def _seconds(state: RequestLimit) -> int:
    left = int(state.reset_at - time.time())
    return min(max(left, 1), state.limit.get_expiry())
