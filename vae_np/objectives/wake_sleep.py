"""Wake-sleep (Hinton, Dayan, Frey and Neal 1995): the paper's rival, on the same two networks.

Awake, the model sees data x and infers z ~ q_φ(z|x): θ climbs log p_θ(x, z). Asleep, it dreams
z ~ p(z) and x ~ p_θ(x|z): φ climbs log q_φ(z|x) on the dream. Each half is a plain maximum
likelihood with all variables seen, and nothing is differentiated through a draw; but the two do not
climb one common bound. Asleep, φ descends KL(p_θ(z|x) ‖ q_φ(z|x)) averaged over dreams: the other
way round than the ELBO's gap KL(q ‖ p), and over the model's x, not the data's.
"""

import numpy as np

from vae_np.backend import array_module
from vae_np.checks import model_of, parts_of_noise, read_only
from vae_np.networks import BernoulliDecoder
from vae_np.objectives.sgvb_a import forward
from vae_np.vae import Bound


class WakeSleep:
    """Learn by wake-sleep; see `vae_np.objectives` for what an objective has.

    It has no value of its own: what it reports is the ELBO, to compare.

    Parameters
    ----------
    model : VAE
    """

    def __init__(self, model):
        self._model = model_of(model)
        self._vectors = {"encoder": model.encoder.parameters, "decoder": model.decoder.parameters}

    model, vectors = read_only("model vectors")

    def settings(self):
        return {"objective": "wake-sleep"}

    def draw_noise(self, generator, n_draws, n_examples):
        """The ELBO's noise, and the dream's: z ~ p(z), (N, Z), and what draws x from it, (N, D)."""
        model = self.model
        noise = model.draw_noise(generator, n_draws, n_examples)
        dream_z = generator.standard_normal((n_examples, model.n_latent), dtype=model.dtype)
        bernoulli = isinstance(model.decoder, BernoulliDecoder)
        pixel_noise = generator.random if bernoulli else generator.standard_normal
        return noise, dream_z, pixel_noise((n_examples, model.n_pixels), dtype=model.dtype)

    def value(self, x, noise):
        noise, _, _ = self._parts(x, noise)
        return self.model.elbo(x, noise)

    def value_and_gradient(self, x, noise):
        noise, dream_z, dream_noise = self._parts(x, noise)
        encoder, decoder = self.model.encoder, self.model.decoder

        q, _, p = forward(self.model, x, noise)
        log_px_given_z = p.log_prob(x)
        elbo = Bound(log_px_given_z.mean(axis=0), q.kl_to_standard_normal())
        upstream = array_module(x).full_like(log_px_given_z, -1 / log_px_given_z.size)
        decoder.backward(*p.log_prob_backward(x, upstream))  # wake: θ

        dream_x = decoder.forward(dream_z).sample(dream_noise)
        q = encoder.forward(dream_x)
        upstream = array_module(x).full(len(x), -1 / len(x), dtype=x.dtype)
        encoder.backward(*q.log_prob_backward(dream_z, upstream))  # sleep: φ
        return elbo

    def _parts(self, x, noise):
        n_examples, model = np.shape(x)[:1], self.model
        return parts_of_noise(noise, (*n_examples, model.n_latent), (*n_examples, model.n_pixels))
