"""The command about disputed verdicts: `flask --app portal reviews export FILE`."""

import shutil
from pathlib import Path

import click
from flask.cli import AppGroup

from portal import audit, dataset
from portal.extensions import db

group = AppGroup(
    "reviews",
    help="""Reports of wrong verdicts that were accepted, as a data set.

    Example: flask --app portal reviews export feedback.zip
    """,
)


@group.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path) -> None:
    """Write the accepted images to a ZIP FILE.

    Unpacked, `python -m training prepare` reads it.

    Example: flask --app portal reviews export feedback.zip
    """
    archive, count = dataset.accepted()
    try:
        with archive, file.open("wb") as out:
            shutil.copyfileobj(archive, out)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from error
    audit.record("review.export", "data set", f"images: {count}")
    db.session.commit()
    click.echo(f"Wrote {file}; images: {count}.")
