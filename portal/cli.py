"""Commands of `flask --app portal`: create-admin and worker; users, serving and reviews have modules."""

import secrets
import signal
import threading

import click
from flask import Flask

from portal import cli_reviews, cli_serving, cli_users
from portal.accounts import create_admin
from portal.config import Settings
from portal.worker import work


def init_app(app: Flask, settings: Settings) -> None:
    """Add the portal's commands to `flask`."""

    @app.cli.command("create-admin")
    def create_admin_command() -> None:
        """Create the first administrator.

        The password is random unless ADMIN_PASSWORD is set, and the name admin unless ADMIN_USERNAME is. Does
        nothing if there is an administrator: "users make-admin" makes further ones.

        Example: flask --app portal create-admin
        """
        password = settings.admin_password or secrets.token_urlsafe(12)
        if create_admin(settings.admin_username, password) is None:
            click.echo("There is an administrator already: nothing to do.")
        elif settings.admin_password:
            click.echo(f"Administrator {settings.admin_username} is created, with the password that was set.")
        else:
            click.echo(f"Administrator: {settings.admin_username}   password: {password}")
            click.echo("This password is shown once. Sign in and change it.")

    @app.cli.command("worker")
    def worker_command() -> None:
        """Judge what waits, send webhooks, tidy up.

        Runs until stopped; any number may run at once.

        Example: flask --app portal worker
        """
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        work(stop, settings.portal_url)

    for group in (cli_users.group, cli_serving.group, cli_reviews.group):
        app.cli.add_command(group)
