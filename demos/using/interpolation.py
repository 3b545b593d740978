"""From one image to another: along the line between their codes, and by mixing their pixels."""

import numpy as np
from matplotlib.figure import Figure

from demos.common import plots
from demos.using.judges import nearest
from vae_np.backend import to_numpy
from vae_np.figures import show, tiled

STEPS, SHOWN = 11, 4  # pictures on the way; pairs in the picture
PAIRS, NEIGHBOURS = 250, 5


def between(first, second, share):
    """(1 − share) · first + share · second: on the straight line, at 0 the first one."""
    return (1 - share) * first + share * second


def interpolate(model, data, args):
    """Judge the pictures halfway between pairs of test images, and draw some ways; numbers, text.

    Both judges look at the training images alone, not at the model: how near the nearest one is,
    and whether the five nearest are of one class. A smooth picture is nearer to everything, so that
    reconstructions, which are smooth, are mixed pixel by pixel too.
    """
    n_pairs = min(PAIRS, len(data.test) // 2)
    images = to_numpy(model.as_pixels(data.test[: 2 * n_pairs]))
    codes = to_numpy(model.encode(data.test[: 2 * n_pairs]).mean)
    smooth, (a, b) = to_numpy(model.decode(codes).mean), (slice(0, None, 2), slice(1, None, 2))
    halfway = between(codes[a], codes[b], 0.5)
    kinds = {
        "test_images": images[a],
        "reconstructions": smooth[a],
        "through_z": to_numpy(model.decode(halfway).mean),
        "reconstructions_mixed": between(smooth[a], smooth[b], 0.5),
        "pixels_mixed": between(images[a], images[b], 0.5),
    }
    train, numbers = to_numpy(model.as_pixels(data.train)), {"pairs": n_pairs}
    for name, pictures in kinds.items():
        index, distance = nearest(pictures, train, min(NEIGHBOURS, len(train)))
        numbers[name] = {"nearest": float(distance[:, 0].mean())}
        if data.train_labels is not None:
            labels = data.train_labels[index]
            numbers[name]["of_one_class"] = float((labels == labels[:, :1]).all(axis=1).mean())
    numbers["norm"] = {
        "of_codes": float(np.linalg.norm(codes, axis=1).mean()),
        "halfway": float(np.linalg.norm(halfway, axis=1).mean()),
    }
    draw(model, data, images, codes, args.out / "use_it_interpolation.png")
    return numbers, describe(numbers)


def describe(numbers):
    z, smooth, pixels = (
        numbers[name] for name in ("through_z", "reconstructions_mixed", "pixels_mixed")
    )
    text = (
        f"Interpolation: halfway between the codes of two images, {numbers['pairs']} pairs, the "
        f"picture is {z['nearest']:.1f} from the nearest training image (squared distance); the "
        f"mixed pixels are {pixels['nearest']:.1f} from it, and the mixed pixels of the two "
        f"reconstructions, which are as smooth, {smooth['nearest']:.1f}."
    )
    if "of_one_class" in z:
        text += (
            f" The {NEIGHBOURS} nearest training images are of one class for "
            f"{z['of_one_class']:.0%} of the pictures through z and for "
            f"{pixels['of_one_class']:.0%} of the mixed ones; for "
            f"{numbers['test_images']['of_one_class']:.0%} of the test images themselves."
        )
    return text


def draw(model, data, images, codes, path):
    """Some ways between two test images, through z above and by pixels below."""
    pairs = shown_pairs(data, len(images))
    height, width = data.image_shape
    figure = Figure(figsize=(9, 0.6 + 2 * 0.85 * len(pairs) * height / width), layout="constrained")
    steps = np.linspace(0, 1, STEPS, dtype=images.dtype)[:, None]
    for axes, (first, second) in zip(
        figure.subplots(len(pairs), 1, squeeze=False)[:, 0], pairs, strict=True
    ):
        ways = to_numpy(model.decode(between(codes[first], codes[second], steps)).mean)
        mixed = between(images[first], images[second], steps)
        show(axes, tiled(np.concatenate([ways, mixed]), data.image_shape, STEPS))
    title = "From one test image to another: through z (upper rows) and by mixing pixels (lower)"
    plots.save(figure, path, title)


def shown_pairs(data, n_images):
    """The first pairs of neighbours in the test set; where there are labels, of two classes."""
    pairs = [(i, i + 1) for i in range(0, n_images - 1, 2)]
    if data.test_labels is not None:
        two_classes = [p for p in pairs if data.test_labels[p[0]] != data.test_labels[p[1]]]
        pairs = two_classes or pairs
    return pairs[:SHOWN]
