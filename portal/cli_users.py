"""Commands about users: `flask --app portal users --help`."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup
from sqlalchemy import select

from portal import accounts
from portal.extensions import db
from portal.models import User

group = AppGroup(
    "users",
    help="""Users: access, passwords, rights.

    Example: flask --app portal users list
    """,
)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except accounts.LastAdmin as error:
        raise click.ClickException(str(error)) from error


def _user(name: str) -> User:
    user: User | None = db.session.scalar(select(User).where(User.name == name.strip().lower()))
    if user is None:
        raise click.ClickException(f"There is no user {name}: `flask --app portal users list` shows all.")
    return user


@group.command("list")
@click.argument("search", default="")
def list_users(search: str) -> None:
    """List all users, or those whose names hold SEARCH.

    Example: flask --app portal users list ada
    """
    found = select(User).where(User.name.contains(search.lower(), autoescape=True)).order_by(User.name)
    users = db.session.scalars(found).all()
    if not users:
        click.echo("No user is found.", err=True)
    for user in users:
        marks = [text for text, is_so in (("admin", user.is_admin), ("disabled", user.is_disabled)) if is_so]
        click.echo(f"{user.name:32}  since {user.created_at:%Y-%m-%d}  {', '.join(marks)}".rstrip())


@group.command()
@click.argument("name")
def disable(name: str) -> None:
    """Shut a user out; images and verdicts stay.

    The user NAME is signed out everywhere, until "users enable NAME".

    Example: flask --app portal users disable ada
    """
    with _explained():
        accounts.disable(_user(name).id)
    click.echo(f"{name} is disabled and signed out everywhere.")


@group.command()
@click.argument("name")
def enable(name: str) -> None:
    """Let a disabled user in again.

    Example: flask --app portal users enable ada
    """
    accounts.enable(_user(name))
    click.echo(f"{name} can sign in again.")


@group.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a user with all images and verdicts.

    Asks first. This is final; "users disable NAME" keeps everything.

    Example: flask --app portal users delete ada
    """
    user = _user(name)
    if not yes:
        click.confirm(f"Delete the account {user.name} with all images and verdicts?", abort=True)
    with _explained():
        accounts.delete_user(user)
    click.echo(f"{name} is deleted, with all images and verdicts.")


@group.command("reset-password")
@click.argument("name")
def reset_password(name: str) -> None:
    """End a user's password; print a link for a new one.

    The password and all sessions of NAME end at once. Give the link to the user.

    Example: flask --app portal users reset-password ada
    """
    link = accounts.reset_link(accounts.reset_password(_user(name)))
    click.echo(f"The password of {name} is reset. This link sets a new one, once:")
    click.echo(link)
    click.echo(f"It is valid for {accounts.RESET_HOURS} hours.")


@group.command("make-admin")
@click.argument("name")
def make_admin(name: str) -> None:
    """Give a user the rights of an administrator.

    Example: flask --app portal users make-admin ada
    """
    accounts.make_admin(_user(name))
    click.echo(f"{name} is an administrator.")


@group.command("remove-admin")
@click.argument("name")
def remove_admin(name: str) -> None:
    """Take the rights of an administrator away.

    Example: flask --app portal users remove-admin ada
    """
    with _explained():
        accounts.remove_admin(_user(name).id)
    click.echo(f"{name} is an ordinary user.")
