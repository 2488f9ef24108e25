"""How numbers, shares, sizes and times are written for the reader, in the reader's language."""

from datetime import date, datetime

from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit
from flask import Flask
from flask_babel import gettext

from portal.languages import locale
from portal.paging import AtLeast


def number(value: float, digits: int = 0) -> str:
    """Write a number with so many digits behind the decimal sign."""
    return format_decimal(value, "#,##0." + "0" * digits if digits else "#,##0", locale())


def amount(found: int) -> str:
    """Write how many were found; a plus behind a number that is only the least there are."""
    return number(found) + ("+" if isinstance(found, AtLeast) else "")


def share(value: float, digits: int = 0) -> str:
    """Write a share in [0, 1] as a percentage."""
    # With a space in English too, as SI has it and the other languages do.
    return format_percent(value, f"#,##0.{'0' * digits} %" if digits else "#,##0 %", locale())


def percent(probability: float) -> str:
    """Write a probability in [0, 1] as a percentage, never rounded to certainty."""
    if 0 < probability < 0.01:
        return str(gettext("under %(percent)s", percent=share(0.01)))
    if 0.99 < probability < 1:
        return str(gettext("over %(percent)s", percent=share(0.99)))
    return share(probability)


def megapixels(pixels: int) -> str:
    """Write a number of pixels in millions."""
    return format_unit(pixels / 1e6, "graphics-megapixel", "long", "#,##0.###", locale())


def file_size(size: int) -> str:
    """Write a number of bytes with three digits that matter."""
    value, unit = float(size), "byte"
    for larger in ("kilobyte", "megabyte", "gigabyte", "terabyte"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    if unit == "byte":
        return format_unit(size, "digital-byte", "long", locale=locale())
    return format_unit(value, f"digital-{unit}", "short", "@##", locale())


def seconds(duration: float) -> str:
    """Write a number of seconds as a word."""
    return format_unit(duration, "duration-second", "long", locale=locale())


def day(time: date) -> str:
    """Write a date."""
    return format_date(time, "medium", locale())


def short_day(time: date) -> str:
    """Write a date where the year is clear."""
    return format_skeleton("MMMd", datetime(time.year, time.month, time.day), locale=locale())


def moment(time: datetime) -> str:
    """Write a time in UTC, to the minute."""
    return f"{day(time)}, {format_time(time, 'short', locale=locale())} UTC"


def milliseconds(duration: float | None) -> str:
    """Write a duration; a dash where there is none."""
    if duration is None:
        return "\u2013"
    return f"{duration:.0f} ms" if duration < 10_000 else f"{number(duration / 1000, 1)} s"


def init_app(app: Flask) -> None:
    """Make the formats available to the templates."""
    formats = (amount, day, file_size, megapixels, milliseconds, moment, number, percent, share, short_day)
    app.jinja_env.filters.update({each.__name__: each for each in formats})
