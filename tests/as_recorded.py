"""What was recorded, in numbers and words, beside what is found: for tests."""

import math
import re

NUMBER = re.compile(r"(?:(?<!\w)[+-])?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]\d+)?")
TIME = re.compile(NUMBER.pattern + r"(?= µs| ms| s\b| times as long| times the time)")


def leaves(content, key=""):
    """(key, value) of all that is no dict and no list; and a list's or a dict's own length."""
    if isinstance(content, dict | list):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        yield f"{key}(length)", len(content)
        for name, value in pairs:
            yield from leaves(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, content


def close(recorded, found, relative, absolute=0):
    """Whether they are equal, or numbers that differ by no more; pixels are in hexadecimal."""
    if absolute and isinstance(recorded, str) and isinstance(found, str):
        pixels, others = bytes.fromhex(recorded), bytes.fromhex(found)
        pairs = zip(pixels, others, strict=False)
        return len(pixels) == len(others) and all(abs(a - b) <= absolute for a, b in pairs)
    if isinstance(recorded, bool) or not isinstance(recorded, int | float):
        return type(recorded) is type(found) and recorded == found
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return math.isclose(recorded, found, rel_tol=relative, abs_tol=absolute)


def in_words(text):
    """A text without its numbers, and they: each with the size of its last digit. No times."""
    text, numbers = TIME.sub("some", text), []
    for number in NUMBER.findall(text):
        mantissa, _, power = number.replace(",", "").partition("e")
        digits = len(mantissa.partition(".")[2])
        numbers.append((float(f"{mantissa}e{power or 0}"), 10.0 ** (int(power or 0) - digits)))
    return NUMBER.sub("#", text), numbers
