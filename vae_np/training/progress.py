"""The progress bar of everything that takes more than a few seconds."""

from tqdm import tqdm


def progress_bar(progress, **options):
    """A tqdm bar, with tqdm's options; none if ``progress`` is False, or off a terminal."""
    return tqdm(disable=None if progress else True, dynamic_ncols=True, **options)
