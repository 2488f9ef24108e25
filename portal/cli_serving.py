"""Commands about TorchServe: `flask --app portal serving --help`."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup

from portal import serving, usage
from portal.formats import file_size, milliseconds, percent
from portal.inference import InferenceError, Version, Workload
from portal.inference.management import MOST_WORKERS

group = AppGroup(
    "serving",
    help="""TorchServe: state, workers, versions.

    What these commands change lasts until TorchServe is restarted: it then loads deepfake.mar alone.

    Example: flask --app portal serving status
    """,
)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except InferenceError as error:
        raise click.ClickException(str(error)) from error


@group.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(as_json: bool) -> None:
    """Show versions, workers, queues and times.

    Fails if TorchServe or its metrics do not answer.

    Example: flask --app portal serving status --json
    """
    look, recent, waiting = serving.look(), usage.last_day(), usage.waiting()
    if as_json:
        parts = {"serving": look.serving, "workload": look.workload, "last_day": recent, "waiting": waiting}
        facts = {name: part and dataclasses.asdict(part) for name, part in parts.items()}
        click.echo(json.dumps(facts | {"problem": look.problem}, indent=2, default=str))
    else:
        if look.serving:
            click.echo(f"TorchServe: {look.serving.health}")
            for version in look.serving.versions:
                _show(version)
        if look.workload:
            _show_workload(look.workload)
        verdicts = "no verdict"
        if recent.judged:
            slow = milliseconds(recent.slow_ms)
            verdicts = (
                f"{recent.judged} verdicts in {milliseconds(recent.median_ms)}, 95 of 100 within {slow}"
            )
        share = "" if recent.failed_share is None else f" ({percent(recent.failed_share)})"
        failed = f"{recent.counts['failed']} failed{share}"
        click.echo(f"Portal, last 24 hours: {verdicts}; {failed}")
        click.echo(f"Waiting in the portal: {waiting.count}")
    if look.problem:
        raise click.ClickException(look.problem)


# So that -1 is a number out of range, and not an unknown option.
@group.command(context_settings={"ignore_unknown_options": True})
@click.argument("version")
@click.argument("workers", type=click.IntRange(0, MOST_WORKERS))
@click.option("--wait", is_flag=True, help="Return when the workers are ready.")
def scale(version: str, workers: int, wait: bool) -> None:
    """Set the number of WORKERS of a VERSION, from 0 to 64.

    With 0, it judges nothing, and images wait. On a CPU, more workers than cores cost speed.

    Example: flask --app portal serving scale 2.0 2 --wait
    """
    with _explained():
        serving.scale(version, workers, wait)
    state = "" if wait else '; "serving status" tells when that is done'
    click.echo(f"Version {version}: workers scaled to {workers}{state}.")


@group.command()
@click.argument("version")
def default(version: str) -> None:
    """Let a VERSION give the verdicts from now on.

    It needs a worker that is ready. Go back in the same way.

    Example: flask --app portal serving default 2.0
    """
    with _explained():
        serving.set_default(version)
    click.echo(f"Version {version} gives the verdicts from now on.")


@group.command()
@click.argument("archive")
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=1,
    show_default=True,
    help="How many workers to start.",
)
def register(archive: str, workers: int) -> None:
    """Load an ARCHIVE of the model store.

    Its version then stands beside the others, and gives no verdicts until it is the default. Needs
    TorchServe's model API: set TS_ENABLE_MODEL_API=true for TorchServe, and restart it.

    Example: flask --app portal serving register deepfake-2.0.mar
    """
    with _explained():
        serving.register(archive, workers)
    click.echo(f"{archive} is registered. It gives no verdicts until it is the default.")


@group.command()
@click.argument("version")
def unregister(version: str) -> None:
    """Remove a VERSION; needs TorchServe's model API.

    Its archive stays in the model store. The default cannot be removed: make another one the default first.

    Example: flask --app portal serving unregister 2.0
    """
    with _explained():
        serving.unregister(version)
    click.echo(f"Version {version} is removed from TorchServe.")


def _show(version: Version) -> None:
    mark = "  (gives the verdicts)" if version.is_default else ""
    click.echo(f"Version {version.name}: {version.ready} of {version.wanted} workers ready{mark}")
    for worker in version.workers:
        memory = file_size(worker.memory_bytes) if worker.memory_bytes else "memory unknown"
        click.echo(f"  worker {worker.id}: {worker.status}, {worker.device}, {memory}, pid {worker.pid}")
    click.echo(f"  queue: {version.waiting} of {version.queue_size}")


def _show_workload(workload: Workload) -> None:
    click.echo(
        f"Since its start: {workload.requests} requests, {milliseconds(workload.queue_ms)} in the queue and "
        f"{milliseconds(workload.handling_ms)} in all on average; {workload.failed} answers were 5xx"
    )
