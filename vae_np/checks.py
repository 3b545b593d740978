"""The checks of arguments, called where a user calls in: not inside the mathematics.

Each returns the value, cast where that is right (`values_in` its ends), or raises ValueError that
names the argument, what it got and what it wants; `within_reach` only warns.
"""

import math
import numbers
import warnings
from contextlib import suppress
from operator import attrgetter

import numpy as np

from vae_np.backend import array_module, device_module, device_of


class Checked:
    """An attribute that may change: ``check(name, value, *more)`` looks at it where it is set."""

    def __init__(self, check, *more, default=None):
        self.check, self.more, self.default = check, more, default

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return self.default if instance is None else vars(instance).get(self.name, self.default)

    def __set__(self, instance, value):
        vars(instance)[self.name] = self.check(self.name, value, *self.more)


def read_only(names):
    """A property for each of the names, which reads ``_name``: what may not be exchanged."""
    return [property(attrgetter(f"_{name}")) for name in names.split()]


# Numbers and choices


def whole_number(name, value, minimum=1, maximum=math.inf):
    """``value`` as an int: a whole number from minimum to maximum."""
    if not isinstance(value, numbers.Integral) or not minimum <= value <= maximum:
        wanted = f">= {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
        raise ValueError(f"{name} must be a whole number {wanted}, got {value!r}")
    return int(value)


def positive_number(name, value, above=0.0):
    """``value`` as a float: finite and above 0, or above another number."""
    with suppress(OverflowError):  # 10**400
        if isinstance(value, numbers.Real) and above < float(value) < math.inf:
            return float(value)
    raise ValueError(f"{name} must be a finite number > {above:g}, got {value!r}")


def step_size_of(step_size, dtype):
    """A leapfrog's first ``step_size``: long enough to move a z of about 1 in this ``dtype``."""
    return positive_number("step_size", step_size, above=float(np.finfo(dtype).eps))


def number_from_0(name, value, below=math.inf):
    """``value`` as a float: at least 0, and finite or below another number."""
    with suppress(OverflowError):
        if isinstance(value, numbers.Real) and 0 <= float(value) < below:
            return float(value)
    wanted = "a finite number >= 0" if below == math.inf else f">= 0 and below {below:g}"
    raise ValueError(f"{name} must be {wanted}, got {value!r}")


def true_or_false(name, value):
    """``value`` as a bool: not a word, nor a number."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def between_0_and_1(name, value):
    """``value``, a number strictly between 0 and 1."""
    if not (isinstance(value, numbers.Real) and 0 < value < 1):
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return value


def one_of(name, value, choices):
    """``value``, one of the strings ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def generator_of(generator, device):
    """``generator``, if it draws arrays of the device: not a seed, say."""
    if not isinstance(generator, device_module(device).random.Generator):
        module = "numpy" if device == "cpu" else "cupy"
        raise ValueError(f"generator must be of {module}.random.default_rng, got {generator!r}")
    return generator


def schedule_of(schedule):
    """``schedule``, (epoch, learning rate) for epochs that start at 0 and rise; or None."""
    if schedule is None:
        return None
    wants = "schedule must be a list of (epoch, learning rate) whose epochs start at 0 and rise"
    try:
        pairs = [(epoch, rate) for epoch, rate in schedule]
    except (TypeError, ValueError):
        raise ValueError(f"{wants}, got {schedule!r}") from None
    epochs = [whole_number("each epoch of schedule", epoch, minimum=0) for epoch, _ in pairs]
    rates = [positive_number("each learning rate of schedule", rate) for _, rate in pairs]
    if not epochs or epochs[0] != 0 or sorted(set(epochs)) != epochs:
        raise ValueError(f"{wants}, got epochs {epochs}")
    return tuple(zip(epochs, rates, strict=True))


# Arrays


def plain_array(name, x):
    """``x``, an array of numbers, NumPy's or CuPy's: no mask, no matrix, whose * is another."""
    kind = type(x).__name__
    if array_module(x) is np and not isinstance(x, np.ndarray):  # sparse, a table's, a file's
        ways = [f"{name}.{way}()" for way in ("toarray", "to_numpy", "numpy") if hasattr(x, way)]
        if hasattr(x, "__array__"):
            ways.append(f"np.asarray({name})")
        how = f": {ways[0]} makes one" if ways else ""
        raise ValueError(f"{name} must be an array of NumPy or CuPy, got {kind}{how}")
    if isinstance(x, np.ma.MaskedArray | np.matrix) or x.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be a plain array of numbers, got {kind} of {x.dtype}")
    return x


def rows_of(name, x, width):
    """``x``, an array (N, width) with N ≥ 1, without a mask."""
    plain_array(name, x)
    if x.ndim != 2 or len(x) == 0 or x.shape[1] != width:
        wants = f"{name} must have shape (N, {width}) with N >= 1, got {x.shape}"
        flat = x.ndim > 2 and x[:1].size == width
        raise ValueError(wants + f": {name}.reshape(-1, {width}) makes it so" * flat)
    return x


def values_in(name, x, support):
    """The least and the largest value of the array ``x``, all finite and within ``support``."""
    if not array_module(plain_array(name, x)).isfinite(x).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    low, high = float(x.min()), float(x.max())
    if low < support[0] or high > support[1]:
        raise ValueError(f"{name} must lie in {list(support)} for the decoder, got {low} to {high}")
    return low, high


def mean_of_images(mean_image, n_pixels, support):
    """``mean_image``, a NumPy array (D,) within ``support``."""
    shape = getattr(mean_image, "shape", type(mean_image).__name__)
    if shape != (n_pixels,):
        raise ValueError(f"mean_image must have shape ({n_pixels},), got {shape}")
    values_in("mean_image", mean_image, support)
    return mean_image


def images_of(images, n_pixels, support, dtype):
    """``images`` as a model can take them: (N, D), uint8 (0 to 255) or float within ``support``."""
    rows_of("images", images, n_pixels)
    if images.dtype == np.uint8:
        return not_black_and_white(images)
    if images.dtype.kind != "f":
        raise ValueError(f"images must be uint8 (0 to 255) or float, got {images.dtype}")
    low, high = values_in("images", images, support)
    if max(-low, high) > float(np.finfo(dtype).max) ** 0.5:  # a Gaussian's log p(x|z) squares them
        raise ValueError(f"images must be finite as {dtype}, squared, got {low:g} to {high:g}")
    return images


def of_a_known_white(images):
    """``images``, a plain array; of other integers than uint8, 0 and 1 alone are known."""
    others = plain_array("images", images).dtype.kind in "iu" and images.dtype != np.uint8
    if others and images.size and not 0 <= float(images.min()) <= float(images.max()) <= 1:
        raise ValueError(f"images must be uint8 (0 to 255) or float, got {images.dtype}")
    return images


def not_black_and_white(images):
    """``images``, unless they are of 0 and 1 in uint8, which means 0 to 255; one may be so dark."""
    if of_a_known_white(images).dtype == np.uint8 and len(images) > 1 and float(images.max()) == 1:
        raise ValueError("images of uint8 run to 255, got none above 1: give 0 and 1 as float")
    return images


def within_reach(images, decoder):
    """Warn of ``images`` that no mean of the decoder comes near: it lies within 0 to 1."""
    low, high = float(images.min()), float(images.max())
    if getattr(decoder, "squashing", None) and images.dtype != np.uint8 and (low < 0 or high > 1):
        what = f"images from {low:g} to {high:g} lie outside 0 to 1, where the decoder's mean stays"
        warnings.warn(f"{what}: scale them, or make it with squash=False", stacklevel=3)


def pixels_of(x, decoder):
    """``x``, (N, D), of the dtype and device of the decoder: what its mathematics can take."""
    theta = decoder_of(decoder).parameters.value
    rows_of("x", x, decoder.n_pixels)
    if x.dtype != theta.dtype or device_of(x) != device_of(theta):
        not_black_and_white(x)  # which as_pixels would make nearly black
        raise ValueError(
            f"x must be {theta.dtype} on {device_of(theta)} as the decoder is, got {x.dtype} on "
            f"{device_of(x)}; VAE.as_pixels makes it so"
        )
    return x


def pixels_in_support(x, decoder):
    """``x``, as `pixels_of` wants it, and of values that the decoder models."""
    values_in("x", pixels_of(x, decoder), decoder.support)
    return x


def minibatch(x, noise, model):
    """``x``, (N, D), and ``noise``, (L, N, Z), both of the model's dtype.

    With x in uint8, say, the share −1/N of each example would be rounded to 0.
    """
    rows_of("x", x, model.n_pixels)
    shape = getattr(noise, "shape", type(noise).__name__)
    if len(shape) != 3 or shape[0] == 0 or shape[1:] != (len(x), model.n_latent):
        raise ValueError(
            f"noise must have shape (L, {len(x)}, {model.n_latent}) with L >= 1, got {shape}"
        )
    for name, array in (("x", x), ("noise", noise)):
        if array.dtype != model.dtype:
            raise ValueError(
                f"{name} must be {model.dtype} as the model is, got {array.dtype}; "
                "VAE.as_pixels and VAE.draw_noise make them so"
            )
    return x, noise


def parts_of_noise(noise, *shapes):
    """``noise``, the tuple that an objective's draw_noise returns: the model's, and others.

    ``shapes`` are those of the others; `minibatch` looks at the model's.
    """
    n_parts = 1 + len(shapes)
    if not isinstance(noise, tuple) or len(noise) != n_parts:
        got = f"a tuple of {len(noise)}" if isinstance(noise, tuple) else type(noise).__name__
        raise ValueError(f"noise must be the {n_parts} arrays that draw_noise returns, got {got}")
    for part, shape in zip(noise[1:], shapes, strict=True):
        got = getattr(part, "shape", type(part).__name__)
        if got != shape:
            raise ValueError(f"noise must have a part of shape {shape}, got {got}")
    return noise


# Models


def model_of(model):
    """``model``, a `VAE`."""
    if not (hasattr(model, "encoder") and hasattr(model, "decoder")):
        raise ValueError(f"model must be a VAE, got {type(model).__name__}")
    return model


def optimizer_of(optimizer, vectors):
    """``optimizer``, if it was made from these vectors, in this order."""
    theirs = () if isinstance(optimizer, type) else getattr(optimizer, "vectors", ())
    if [id(vector) for vector in theirs] != [id(vector) for vector in vectors]:
        raise ValueError(
            "optimizer must be made from this model's parameters, or from the objective's vectors "
            "if it has its own, got others"
        )
    return optimizer


def decoder_of(decoder):
    """``decoder``, one of `vae_np.networks`."""
    if not hasattr(decoder, "support") or isinstance(decoder, type):
        raise ValueError(f"decoder must be a decoder p(x|z), got {decoder!r}")
    return decoder


def networks_of_a_model(encoder, decoder):
    """``encoder`` and ``decoder``, if they fit each other."""
    is_class = isinstance(encoder, type)
    if is_class or not hasattr(encoder, "network") or hasattr(encoder, "support"):
        raise ValueError(f"encoder must be an encoder q(z|x), got {encoder!r}")
    decoder_of(decoder)
    for width in ("n_latent", "n_pixels"):
        ours, theirs = getattr(encoder, width), getattr(decoder, width)
        if ours != theirs:
            raise ValueError(f"{width} differs: encoder {ours}, decoder {theirs}")
    phi, theta = encoder.parameters.value, decoder.parameters.value
    if phi.dtype != theta.dtype or device_of(phi) != device_of(theta):
        raise ValueError(
            "encoder and decoder must share dtype and device: encoder "
            f"{phi.dtype} on {device_of(phi)}, decoder {theta.dtype} on {device_of(theta)}"
        )
    return encoder, decoder
