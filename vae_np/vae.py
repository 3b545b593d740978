"""The variational autoencoder: an encoder, a decoder and a bound."""

import math
import numbers

import numpy as np

from vae_np.backend import array_module, device_of, to_device
from vae_np.bounds import BOUNDS, sgvb_b
from vae_np.checks import checked_generator, rows_of, values_in, whole_number


class VAE:
    """Encoder q_φ(z|x), prior p(z) = N(0, I) and decoder p_θ(x|z).

    Parameters
    ----------
    encoder : GaussianEncoder
    decoder : BernoulliDecoder or GaussianDecoder
        Of the same widths, dtype and device as the encoder.
    kl_weight : float
        Weight of the KL in the *loss*: 1 maximizes the bound; 0 leaves a plain autoencoder; other
        values are the β of a β-VAE. It may be changed between steps, as in `Trainer.fit`'s
        ``after_epoch``; a checkpoint loads at the weight it was saved at. The bound that is
        reported always has the weight 1.
    bound : {"sgvb-b", "sgvb-a", "importance-weighted"}
        Which lower bound on log p(x) to maximize: see `vae_np.bounds`. Only the first has a KL to
        weigh.

    Attributes
    ----------
    parameters : list of ParameterVector
        φ (the encoder's) and θ (the decoder's).
    """

    weighs_kl = True  # for SGVB-B; wake-sleep has another objective

    def __init__(self, encoder, decoder, kl_weight=1.0, bound="sgvb-b"):
        if not hasattr(encoder, "n_latent") or hasattr(encoder, "support"):
            raise ValueError(f"encoder must be an encoder q(z|x), got {encoder!r}")
        if not hasattr(decoder, "support"):
            raise ValueError(f"decoder must be a decoder p(x|z), got {decoder!r}")
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
        if bound not in tuple(BOUNDS):
            raise ValueError(f"bound must be one of {', '.join(BOUNDS)}, got {bound!r}")
        self.encoder, self.decoder, self.bound_name = encoder, decoder, bound
        self._bound, self._bound_backward = BOUNDS[bound]
        self.kl_weight = kl_weight
        self.parameters = [encoder.parameters, decoder.parameters]
        self.n_pixels, self.n_latent = encoder.n_pixels, encoder.n_latent
        self.dtype, self.device = phi.dtype, device_of(phi)

    @property
    def kl_weight(self):
        return self._kl_weight

    @kl_weight.setter
    def kl_weight(self, kl_weight):
        if not (isinstance(kl_weight, numbers.Real) and 0 <= kl_weight < math.inf):
            raise ValueError(f"kl_weight must be a finite number ≥ 0, got {kl_weight!r}")
        if kl_weight != 1 and not (self.weighs_kl and self._bound is sgvb_b):
            raise ValueError(
                f'kl_weight must be 1 for the bound "{self.bound_name}", which has no closed KL to '
                f"weigh; got {kl_weight!r}"
            )
        self._kl_weight = float(kl_weight)

    # Learning

    def draw_noise(self, generator, n_draws, n_examples):
        """What `bound_and_gradient` needs of randomness: (L, N, Z) draws from N(0, I)."""
        generator = checked_generator(generator, self.device)
        return generator.standard_normal((n_draws, n_examples, self.n_latent), dtype=self.dtype)

    def bound(self, x, noise):
        """An estimate of the lower bound on log p(x) for each example.

        Parameters
        ----------
        x : (N, D) array
            Pixels in [0, 1], as `as_pixels` makes them.
        noise : (L, N, Z) array
            Draws from N(0, I), L for each example.

        Returns
        -------
        Bound
            Reconstruction, KL and value of each example; nats.

        Raises
        ------
        ValueError
            If ``x`` or ``noise`` has another shape, or another dtype than the model.
        """
        self._check_step(x, noise)
        q = self.encoder.forward(x)
        z = q.sample(noise)
        p = self.decoder.forward(z)
        return self._bound(x, q, p, z)

    def bound_and_gradient(self, x, noise, log_prior_scale=0.0):
        """One step of Algorithm 1 up to the update: the bound, and the gradient of the loss.

        The loss is minus the bound, averaged over the examples, with `kl_weight` on its KL, and
        minus ``log_prior_scale`` · log p(θ) under the weight prior p(θ) = N(0, I): 0 for maximum
        likelihood, 1/(size of the training set) for the paper's MAP. Its gradient goes to
        ``encoder.parameters.grad`` and ``decoder.parameters.grad``. ``x``, ``noise``, what is
        returned and what is raised are as for `bound`.
        """
        self._check_step(x, noise)
        q = self.encoder.forward(x)
        z = q.sample(noise)
        p = self.decoder.forward(z)
        bound = self._bound(x, q, p, z)

        n_examples = x.shape[0]
        upstream = array_module(x).full(n_examples, -1 / n_examples, dtype=x.dtype)
        # The bound depends on p's parameters, and directly on q's; all but SGVB-B directly on z.
        weight = {"kl_weight": self.kl_weight} if self._bound is sgvb_b else {}
        dp, (dmean_direct, dlog_var_direct), dz_direct = self._bound_backward(
            x, q, p, z, upstream, **weight
        )
        dz = self.decoder.backward(*dp) + dz_direct  # fills θ's gradient
        dmean, dlog_var = q.sample_backward(noise, dz)  # the reparameterization gradient
        self.encoder.backward(dmean + dmean_direct, dlog_var + dlog_var_direct)  # fills φ's
        self.decoder.parameters.add_weight_prior(log_prior_scale)
        return bound

    def _check_step(self, x, noise):
        """ValueError unless x is (N, D) and noise (L, N, Z), both of the model's dtype.

        With x in uint8, say, the upstream −1/N would be rounded to 0.
        """
        rows_of("x", x, self.n_pixels)
        shape = getattr(noise, "shape", type(noise).__name__)
        if len(shape) != 3 or shape[0] == 0 or shape[1:] != (len(x), self.n_latent):
            raise ValueError(
                f"noise must have shape (L, {len(x)}, {self.n_latent}) with L ≥ 1, got {shape}"
            )
        for name, array in (("x", x), ("noise", noise)):
            if array.dtype != self.dtype:
                raise ValueError(
                    f"{name} must be {self.dtype} as the model is, got {array.dtype}; "
                    "VAE.as_pixels and VAE.draw_noise make them so"
                )

    # Using the model

    def encode(self, images):
        """(N, D) images to q_φ(z|x), a `DiagonalGaussian` over (N, Z)."""
        return self.encoder.forward(self.as_pixels(self.check(images)))

    def decode(self, z):
        """(..., Z) latents to p_θ(x|z), a distribution over (..., D)."""
        z = to_device(z, self.device).astype(self.dtype, copy=False)
        if z.shape[-1:] != (self.n_latent,):
            raise ValueError(f"z must have shape (..., {self.n_latent}), got {z.shape}")
        if not z.size:
            raise ValueError(f"z must hold at least one point, got shape {z.shape}")
        values_in("z", z, (-math.inf, math.inf))
        return self.decoder.forward(z)

    def reconstruct_mean(self, images):
        """What most code shows as "the reconstruction": the mean of p_θ(x|z) at q's mean."""
        return self.decode(self.encode(images).mean).mean

    def reconstruct_draw(self, images, generator):
        """The model's own reconstruction: z drawn from q_φ(z|x), then x from p_θ(x|z)."""
        return self.decode(self.encode(images).draw(generator)).draw(generator)

    def sample_mean(self, count, generator):
        """The means of p_θ(x|z) for ``count`` draws z ~ p(z): what the paper's figure 5 shows."""
        return self.decode(self._prior_draw(count, generator)).mean

    def sample_draw(self, count, generator):
        """New data, (count, D): z drawn from p(z), then x from p_θ(x|z)."""
        return self.decode(self._prior_draw(count, generator)).draw(generator)

    def _prior_draw(self, count, generator):
        shape = whole_number("count", count), self.n_latent
        generator = checked_generator(generator, self.device)
        return generator.standard_normal(shape, dtype=self.dtype)

    # Data

    def as_pixels(self, images):
        """(N, D) images to the model's dtype and device; uint8 from 0..255 to [0, 1]."""
        images = to_device(images, self.device)
        x = images.astype(self.dtype, copy=False)
        return x / 255 if images.dtype == np.uint8 else x

    def check(self, images):
        """Return ``images`` if the model can take them.

        Raises
        ------
        ValueError
            If the shape is not (N, D) with N ≥ 1 and the model's D, the dtype is not uint8 or
            float, or a value is not finite in the model's dtype or, for a Bernoulli decoder,
            outside [0, 1]. If images of uint8, which mean 0 to 255, are 1 at most.
        """
        rows_of("images", images, self.n_pixels)
        if images.dtype == np.uint8:
            if float(images.max()) == 1:
                raise ValueError(
                    "images of uint8 are taken as 0 to 255, got none above 1: give black-and-white "
                    "images as float"
                )
            return images
        if images.dtype.kind != "f":
            raise ValueError(f"images must be uint8 (0 to 255) or float, got {images.dtype}")
        low, high = values_in("images", images, self.decoder.support)
        if max(-low, high) > float(np.finfo(self.dtype).max):
            raise ValueError(f"images must be finite as {self.dtype}, got {low:g} to {high:g}")
        return images
