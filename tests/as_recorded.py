"""What was recorded, in numbers, words and pictures, beside what is found: for tests."""

import math
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread, imsave
from PIL import Image

RECORDED = Path(__file__).with_name("recorded")  # what is printed, and thumbnails of pictures
BLOCK = 4  # pixels
LARGEST = 0.01  # of white: unchanged, a block differs by 0; a grid of another grey, by 0.02

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


def close_times(recorded, found, last_digit=0.0):
    """Whether another machine may have taken so long: within 50 times, either way."""
    low, high = sorted((recorded + last_digit, found + last_digit))
    return 0 <= low and high <= 50 * low


def read(number):
    """Its value, and the size of its last digit."""
    mantissa, _, power = number.replace(",", "").partition("e")
    digits = len(mantissa.partition(".")[2])
    return float(f"{mantissa}e{power or 0}"), 10.0 ** (int(power or 0) - digits)


def in_words(text):
    """A text without its numbers; they, as `read`; and its times."""
    times = [read(number) for number in TIME.findall(text)]
    text = TIME.sub("some", text)
    return NUMBER.sub("#", text), [read(number) for number in NUMBER.findall(text)], times


def numbers_that_differ(recorded, found, relative, absolute=0, whole=False):
    """Of two texts, whose words are the same, the numbers that differ by more than rounding.

    ``whole`` says that those without a decimal point are counts, and not rounded.
    """
    (_, numbers, times), (_, new_numbers, new_times) = in_words(recorded), in_words(found)
    return [
        (was, number)
        for (was, last_digit), (number, _) in zip(numbers, new_numbers, strict=True)
        if not close(was, number, relative, absolute + 1.01 * last_digit)
        or (whole and last_digit == 1 and was != number)
    ] + [
        (was, number)
        for (was, last_digit), (number, _) in zip(times, new_times, strict=True)
        if not close_times(was, number, last_digit)
    ]


def check_letters(folder, name, text):
    """AssertionError unless ``text`` is the recorded file of this name, letter by letter."""
    found, recorded = folder / name, RECORDED / name
    found.write_text(text, encoding="utf-8")
    same = recorded.exists() and recorded.read_text(encoding="utf-8") == text
    assert same, f"if it is meant so: cp {found} {recorded}"


def check_text(found, recorded, relative=1e-3, absolute=0):
    """AssertionError unless two files say the same, but for rounding and for times.

    Whole numbers are exact: counts are.
    """
    how = f"if it is meant so: cp {found} {recorded}"
    assert recorded.exists(), how
    new, old = (path.read_text(encoding="utf-8") for path in (found, recorded))
    assert in_words(new)[0].splitlines() == in_words(old)[0].splitlines(), how
    assert not numbers_that_differ(old, new, relative, absolute, whole=True), how


def numbers_of(summary, left_out):
    """Lines of a summary's numbers, but of those whose keys the pattern ``left_out`` finds."""
    return [
        f"{key} {value if isinstance(value, int) else format(value, '.6f')}"
        for key, value in leaves(summary)
        if isinstance(value, int | float) and not left_out.search(key)
    ]


def check_told(found, parts, **tolerances):
    """AssertionError unless these parts, each a text or lines, are those recorded otherwise."""
    told = "\n\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts)
    found.write_text(TIME.sub("some", told) + "\n", encoding="utf-8")
    check_text(found, RECORDED / "otherwise" / found.name, **tolerances)


def blocks(picture):
    """The means over blocks of 4 × 4 pixels: (H, W, colours), 0 to 1."""
    height, width = (side // BLOCK for side in picture.shape[:2])
    whole = picture[: height * BLOCK, : width * BLOCK, :3]
    return whole.reshape(height, BLOCK, width, BLOCK, 3).mean(axis=(1, 3))


def drawn_by_another(recorded):
    """The version of Matplotlib that drew a picture, where it is not the one that draws here."""
    with Image.open(recorded) as image:
        version = image.info["Software"].partition(", ")[0]
    return "" if version == f"Matplotlib version{matplotlib.__version__}" else version


def thumbnail(path):
    """A picture's `blocks`, in a file beside it."""
    small = path.with_name(f"{path.stem}_thumbnail.png")
    imsave(small, blocks(imread(path)))
    return small


def check_picture(found, recorded, share=0.0):
    """AssertionError unless two PNGs look alike.

    Parameters
    ----------
    found, recorded : Path
        The latter is a picture, or the thumbnail of one, in `RECORDED`.
    share : float
        Of the blocks, those that may differ by more than `LARGEST`.
    """
    if recorded.parent == RECORDED:
        found = thumbnail(found)
    how = f"look at both; if it is meant so: cp {found} {recorded}"
    assert recorded.exists(), how
    if another := drawn_by_another(recorded):
        pytest.skip(f"{recorded.name} was drawn by {another}, whose letters are others")
    seen, known = imread(found)[..., :3], imread(recorded)[..., :3]
    assert seen.shape == known.shape, f"{seen.shape}, not {known.shape}; {how}"
    if recorded.parent != RECORDED:
        seen, known = blocks(seen), blocks(known)
    off = abs(seen - known).max(axis=2)
    row, column = np.argwhere(off == off.max())[0]
    assert (off > LARGEST).mean() <= share, (
        f"{(off > LARGEST).sum()} of {off.size} blocks differ, the most by {off.max():.3f} of "
        f"white, {BLOCK * column} pixels from the left and {BLOCK * row} from above; {how}"
    )
