"""The variational autoencoder: a story of how images arise, and the bound by which it is learned.

The story. A code z is drawn from the *prior* p(z) = N(0, I). The decoder, a network with weights θ,
turns z into the *likelihood* p_θ(x|z): how probable each image x is, given that z. An image is
drawn from it. We see the image, never the code. Two more distributions follow from the story:

- the *evidence* p_θ(x) = ∫ p_θ(x|z) p(z) dz: how probable an image is at all. Learning is to find
  the θ under which the training images are most probable: it maximizes Σ log p_θ(x);
- the *posterior* p_θ(z|x) = p_θ(x|z) p(z) / p_θ(x), by Bayes' rule: which codes an image may have
  come from. Finding it is called inference.

Both need an integral over all z for which there is no formula. So a second network with weights φ,
the encoder, answers each image with a distribution q_φ(z|x) that we can draw from, which is to be
near the posterior. How far one distribution is from another is measured by the Kullback-Leibler
divergence KL(q ‖ p) = E_q[log q(z) − log p(z)], an average over draws z of q. It is 0 if they
agree, else above 0, for log u ≤ u − 1: −KL = E_q[log p/q] ≤ E_q[p/q] − 1 = ∫ p dz − 1 = 0. For any
q::

    log p(x) = E_q[log p(x)]                                           p(x) does not depend on z
             = E_q[log p(x, z) − log p(z|x)]                           Bayes' rule
             = E_q[log p(x, z) − log q(z|x) + log q(z|x) − log p(z|x)]   log q subtracted, added
             = ELBO + KL(q(z|x) ‖ p(z|x))                              (eq. 1)

The first part is the *ELBO*, the evidence lower bound: a KL is never negative, so it is never above
the log evidence. The paper calls it the variational lower bound L(θ, φ; x). It needs no posterior::

    log p(x) ≥ ELBO = E_q[−log q(z|x) + log p(x, z)]                   (eq. 2)
                    = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z))              (eq. 3)

how well the codes explain the image, minus how far q strays from the prior. Raising it in φ brings
q to the posterior, for log p(x) stands still meanwhile. Raising it in θ raises log p(x), or brings
the posterior to q. All numbers are in nats per example. Shapes: N images (a minibatch, the paper's
M), D pixels, Z latents, L draws of z for each image. The guide: docs/guide.md.
"""

import math
from dataclasses import dataclass

import numpy as np

from vae_np import checks
from vae_np.backend import array_module, device_of, to_device
from vae_np.checkpoints import load_vectors, write_checkpoint
from vae_np.networks import BernoulliDecoder, GaussianDecoder, GaussianEncoder


@dataclass(frozen=True, eq=False)
class VAE:
    """Encoder q_φ(z|x), prior p(z) = N(0, I) and decoder p_θ(x|z).

    The networks remember their latest ``forward``: one model is for one thread at a time.

    Parameters
    ----------
    encoder : GaussianEncoder
    decoder : BernoulliDecoder or GaussianDecoder
        Of the same widths, dtype and device as the encoder.

    Attributes
    ----------
    parameters : list of ParameterVector
        φ (the encoder's) and θ (the decoder's).
    """

    encoder: GaussianEncoder
    decoder: BernoulliDecoder | GaussianDecoder

    def __post_init__(self):
        checks.networks_of_a_model(self.encoder, self.decoder)

    def elbo(self, x, noise):
        """An estimate of each example's ELBO: SGVB-B, the paper's second estimator.

        Parameters
        ----------
        x : (N, D) array
            Images of the model's dtype: from 0 to 1 for a Bernoulli decoder. `check` looks at that.
        noise : (L, N, Z) array
            ε, draws from N(0, I), L for each example: see `draw_noise`.

        Returns
        -------
        Bound
            Reconstruction, KL and value of each example; nats.

        Raises
        ------
        ValueError
            If ``x`` or ``noise`` has another shape, or another dtype than the model.
        """
        x, noise = checks.minibatch(x, noise, self)
        q = self.encoder.forward(x)  # q_φ(z|x) = N(μ, diag σ²), from (N, D) to two (N, Z) (eq. 9)
        z = q.sample(noise)  # (L, N, Z): z = μ + σ ⊙ ε, draws of q (eq. 4)
        p = self.decoder.forward(z)  # p_θ(x|z), its logits or means (L, N, D)
        reconstruction = p.log_prob(x).mean(axis=0)  # (N,): E_q[log p(x|z)] by L draws (eq. 5)
        kl = q.kl_to_standard_normal()  # (N,): KL(q(z|x) ‖ p(z)), exactly (appendix B)
        return Bound(reconstruction, kl)  # (N,): ELBO = reconstruction − KL (eq. 7 and 10)

    def elbo_and_gradient(self, x, noise, kl_weight=1.0):
        """The ELBO, and the gradient of the loss: minus the ELBO, averaged over the minibatch.

        The gradient goes to the networks' ``parameters.grad``; all else is as for `elbo`.
        ``kl_weight``, a β-VAE's β, weighs the KL in the loss: 1 climbs the ELBO, 0 is without a KL.
        """
        x, noise = checks.minibatch(x, noise, self)
        kl_weight = checks.number_from_0("kl_weight", kl_weight)
        q = self.encoder.forward(x)  # as in `elbo`
        z = q.sample(noise)
        p = self.decoder.forward(z)
        reconstruction = p.log_prob(x).mean(axis=0)
        kl = q.kl_to_standard_normal()

        n_draws, n_examples, _ = noise.shape
        share = array_module(x).full(n_examples, 1 / n_examples, dtype=x.dtype)  # (N,): 1/N each
        dp = p.log_prob_backward(x, -share / n_draws)  # (L, N, D) for each parameter of p: a tuple
        dz = self.decoder.backward(*dp)  # (L, N, Z): through the decoder; fills θ's gradient
        dmean, dlog_var = q.sample_backward(noise, dz)  # (N, Z): through z = μ + σ ⊙ ε
        dmean_kl, dlog_var_kl = q.kl_backward(kl_weight * share)  # (N, Z)
        self.encoder.backward(dmean + dmean_kl, dlog_var + dlog_var_kl)  # fills φ's gradient
        return Bound(reconstruction, kl)

    def draw_noise(self, generator, n_draws, n_examples):
        """ε for `elbo`: (L, N, Z) draws from N(0, I); ValueError if L or N is not above 0."""
        generator = checks.generator_of(generator, self.device)
        n_draws = checks.whole_number("n_draws", n_draws)
        n_examples = checks.whole_number("n_examples", n_examples)
        return generator.standard_normal((n_draws, n_examples, self.n_latent), dtype=self.dtype)

    # Using the model

    def encode(self, images):
        """(N, D) images to q_φ(z|x), a `DiagonalGaussian` over (N, Z)."""
        return self.encoder.forward(self.as_pixels(self.check(images)))

    def decode(self, z):
        """(..., Z) latents to p_θ(x|z), a distribution over (..., D)."""
        z = to_device(checks.plain_array("z", z), self.device)
        if z.shape[-1:] != (self.n_latent,) or not z.size:
            raise ValueError(f"z must be points of shape (..., {self.n_latent}), got {z.shape}")
        largest = float(np.finfo(self.dtype).max)
        checks.values_in("z", z, (-largest, largest))
        return self.decoder.forward(z.astype(self.dtype, copy=False))

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
        shape = checks.whole_number("count", count), self.n_latent
        generator = checks.generator_of(generator, self.device)
        return generator.standard_normal(shape, dtype=self.dtype)

    # What it is made of

    @property
    def parameters(self):
        return [self.encoder.parameters, self.decoder.parameters]

    @property
    def n_pixels(self):
        return self.encoder.n_pixels

    @property
    def n_latent(self):
        return self.encoder.n_latent

    @property
    def dtype(self):
        return self.encoder.parameters.value.dtype

    @property
    def device(self):
        return device_of(self.encoder.parameters.value)

    # Data and files

    def as_pixels(self, images):
        """(N, D) images to the model's dtype and device; uint8 from 0..255 to [0, 1]."""
        images = to_device(checks.of_a_known_white(images), self.device)
        if images.dtype == np.uint8:
            return array_module(images).divide(images, 255, dtype=self.dtype)
        return images.astype(self.dtype, copy=False)

    def check(self, images):
        """Return ``images`` if the model can take them.

        Raises
        ------
        ValueError
            If the shape is not (N, D) with N ≥ 1 and the model's D, the dtype is not uint8 or
            float, several images of uint8 hold 0 and 1 alone, or a value's square is not finite in
            the model's dtype or, for a Bernoulli decoder, a value is outside [0, 1].
        """
        return checks.images_of(images, self.n_pixels, self.decoder.support, self.dtype)

    def save(self, path):
        """Write the weights into ``path``, an ``.npz`` file, whole or not at all.

        ValueError if they are not finite.
        """
        arrays = {
            "encoder": self.encoder.parameters.value,
            "decoder": self.decoder.parameters.value,
        }
        for name, array in arrays.items():
            checks.values_in(f"weights of the {name}", array, (-math.inf, math.inf))
        write_checkpoint(path, {"identity": self.identity()}, arrays)

    def load(self, path):
        """Read the weights from ``path``: what `save` wrote, or a checkpoint of a `Trainer`
        that trained both networks (one that climbs `FullBayes` has no single θ).

        Raises
        ------
        CheckpointError
            If the file is missing, cut short, no checkpoint, or of other networks. The model is
            then unchanged.
        """
        vectors = {"encoder": self.encoder.parameters, "decoder": self.decoder.parameters}
        load_vectors(path, vectors, self.identity())

    def identity(self):
        """What a file of weights must share with the model that reads it."""
        return {"encoder": repr(self.encoder), "decoder": repr(self.decoder)}


@dataclass(frozen=True, eq=False)
class Bound:
    """An estimate of a lower bound on log p(x), split as reconstruction − KL.

    Attributes
    ----------
    reconstruction : (N,) array
        E_q[log p(x|z)], estimated; nats.
    kl : (N,) array
        KL(q(z|x) ‖ p(z)), exact or estimated; nats. Of the importance-weighted bound both are
        something else: see `vae_np.objectives.importance_weighted`.
    """

    reconstruction: np.ndarray
    kl: np.ndarray

    @property
    def value(self):
        """reconstruction − KL, nats: (N,), or one number where the terms are means."""
        return self.reconstruction - self.kl
