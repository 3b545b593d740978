"""The options that every experiment has, and the folder that they name."""

import argparse

from demos.common.command_line import Parser, named_path, number
from vae_np.backend import DEVICES

natural, positive = number(int, 0), number(int, 1)


class Options(argparse.Namespace):
    """The options of a run, whose folder is looked at whenever it is asked for.

    OSError once it was moved away: a second run may write files of the same names there. The
    processes of `side_by_side` get these options, and look as well.
    """

    still_ours = None  # what `claimed` yields

    @property
    def out(self):
        if self.still_ours:
            self.still_ours()
        return self.where

    @out.setter
    def out(self, folder):
        self.where = folder


def make_parser(description, epochs=None, samples=None, resumes=False):
    parser = Parser(description)
    if epochs:
        parser.add_argument(
            "--epochs",
            type=number(int, 1, 10**6),  # each has its own learning rate, in a list
            default=epochs,
            metavar="N",
            help=f"passes over the training set (default: {epochs}); with far fewer, the findings "
            "are not to be seen yet",
        )
    if samples:
        parser.add_argument(
            "--samples",
            type=positive,
            default=int(samples),
            metavar="N",
            help="training samples that a model sees at most, rounded up to whole epochs; 1e5 or "
            f"100000 alike (default: {samples:g})",
        )
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="N", help="for all randomness (default: 0)"
    )
    earlier = "going on from what is saved there" if resumes else "replacing earlier ones there"
    free = "unfinished or free" if resumes else "free"
    parser.add_argument(
        "--out",
        type=named_path,
        metavar="FOLDER",
        help=f"where the results go, {earlier} (default: the first of "
        f"runs/NAME, runs/NAME-2, ... that is {free})",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="gpu needs CuPy and an NVIDIA GPU (default: cpu)",
    )
    return parser
