"""Debian's Chromium, headless, for the browser tests and the screenshots."""

from pathlib import Path

from playwright.sync_api import Browser, Playwright

from tests.support import missing

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",  # a container runs as root, where Chromium's own sandbox does not start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Chromium must not call its maker's hosts.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch_browser(playwright: Playwright) -> Browser:
    """Start Chromium; skip the test where it is not installed."""
    if not CHROMIUM.exists():
        missing("Chromium (Debian's package chromium)")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
