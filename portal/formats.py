"""How numbers, shares, sizes and times are written for the reader, in the reader's language."""

from datetime import date, datetime, time
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_interval, format_skeleton, format_time
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit
from flask import Flask
from flask_babel import gettext

from portal.languages import locale
from portal.paging import AtLeast

# In milliseconds: what would be rounded to 1000 ms is a second.
LEAST_IN_SECONDS = 999.5


def number(value: float, digits: int = 0) -> str:
    """Write a number with so many digits behind the decimal sign."""
    return _number(value, "#,##0." + "0" * digits if digits else "#,##0", locale())


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


def day(when: date) -> str:
    """Write a date."""
    return _day(when.year, when.month, when.day, locale())


def span(first: date, last: date) -> str:
    """Write a day, or the days from one to another, where the year is clear."""
    return _span(first, last, locale())


def moment(when: datetime) -> str:
    """Write a time in UTC, to the minute."""
    return f"{day(when)}, {_clock(when.hour, when.minute, locale())} UTC"


def milliseconds(duration: float | None, beside: float = 0) -> str:
    """Write a duration; a dash where there is none.

    From a second on it is written in seconds, and below one too if it stands beside such a duration.
    """
    if duration is None:
        return "\u2013"
    if max(duration, beside) < LEAST_IN_SECONDS:
        return f"{number(duration)} ms"
    return f"{_number(duration / 1000, '#,##0.#', locale())} s"


# A page writes the same numbers and dates many times, and Babel takes long for each.
@lru_cache(maxsize=5000)
def _number(value: float, pattern: str, where: Locale) -> str:
    return format_decimal(value, pattern, where)


@lru_cache(maxsize=5000)
def _day(year: int, month: int, day_of_month: int, where: Locale) -> str:
    return format_date(date(year, month, day_of_month), "medium", where)


@lru_cache(maxsize=5000)
def _span(first: date, last: date, where: Locale) -> str:
    if first == last:
        return format_skeleton("MMMd", datetime.combine(first, time()), locale=where)
    return format_interval(first, last, "MMMd", locale=where)


@lru_cache(maxsize=5000)
def _clock(hour: int, minute: int, where: Locale) -> str:
    return format_time(time(hour, minute), "short", locale=where)


def init_app(app: Flask) -> None:
    """Make the formats available to the templates."""
    formats = (amount, day, file_size, megapixels, milliseconds, moment, number, percent, share, span)
    app.jinja_env.filters.update({each.__name__: each for each in formats})
