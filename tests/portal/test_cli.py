"""What the commands say of themselves; what they do is tested with the features they belong to."""

import re
import subprocess
import sys
from collections.abc import Iterator

import click
from flask import Flask

from tests.support import ROOT

OURS = {"create-admin", "worker", "users", "serving", "reviews"}


def commands(parent: click.Group) -> Iterator[click.Command]:
    for command in parent.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


def test_every_command_has_an_example_that_works(app: Flask) -> None:
    ours = click.Group(commands={name: app.cli.commands[name] for name in OURS})
    for command in commands(ours):
        example = re.search(r"Example: flask --app portal (.+)", command.help or "")
        assert example, command.name
        used: click.Command = ours
        arguments = example[1].split()
        while isinstance(used, click.Group):
            used = used.commands[arguments.pop(0)]
        assert command is used or isinstance(command, click.Group)
        # Parses the arguments, and does nothing.
        used.make_context(used.name, arguments)


def test_usage_works_as_it_is_printed() -> None:
    flask = [sys.executable, "-m", "flask"]
    refused = subprocess.run(
        [*flask, "users", "disable"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Usage: flask users disable [OPTIONS] NAME" in refused.stderr.replace("python -m ", "")
