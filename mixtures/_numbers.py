"""Numbers as a person reads them."""

import math


def number(value: float | None, digits: int = 4) -> str:
    """A number to `digits` significant digits, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}".replace("-", "−").replace("e+0", "e").replace("e−0", "e−").replace("e+", "e")


def numbers(value: object, digits: int = 4) -> str:
    """A number, a text, or a nested list of them; brackets only where they tell something."""
    if not isinstance(value, list):
        return number(value, digits) if isinstance(value, int | float) else str(value)
    if len(value) == 1:
        return numbers(value[0], digits)
    return ", ".join(f"[{numbers(v, digits)}]" if isinstance(v, list) else numbers(v, digits) for v in value)


def fixed(value: float | None, decimals: int) -> str:
    """A number with a fixed number of decimals, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.removeprefix("-")


def signed(value: float, decimals: int) -> str:
    """A difference with a fixed number of decimals, and its sign whichever it is."""
    return f"{'+' if value >= 0 else ''}{fixed(value, decimals)}"


def plus_minus(value: float | None, error: float | None) -> str:
    """``value ± error``, both to two significant digits of the error."""
    if value is None or not math.isfinite(value) or not error or not math.isfinite(error):
        return number(value)
    decimals = 1 - math.floor(math.log10(error))
    if not 0 <= decimals <= 6:
        return f"{number(value)} ± {number(error, 2)}"
    return f"{fixed(value, decimals)} ± {fixed(error, decimals)}"


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage; one that is not nothing or all is never rounded to that."""
    least = 10.0**-digits
    if 0 < 100 * share < least / 2:
        return f"under {least:g} %"
    if 100 - least / 2 <= 100 * share < 100:
        return f"over {100 - least:g} %"
    return f"{100 * share:.{digits}f} %"


def nominal(level: float) -> str:
    """The level that an interval is called by, as a percentage."""
    return f"{100 * level:.4g} %"
