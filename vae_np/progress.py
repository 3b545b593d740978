"""The progress bar of everything that takes more than a few seconds."""

from tqdm import tqdm

from vae_np.checks import true_or_false


def progress_bar(progress, **options):
    """A tqdm bar, with tqdm's options; none if ``progress`` is False, or off a terminal."""
    shown = true_or_false("progress", progress)
    return tqdm(disable=None if shown else True, dynamic_ncols=True, **options)
