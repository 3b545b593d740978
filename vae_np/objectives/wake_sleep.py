"""Wake-sleep (Hinton, Dayan, Frey and Neal 1995): the paper's rival, on the same two networks.

Awake, the model sees data x and infers z ~ q_φ(z|x): θ climbs log p_θ(x, z). Asleep, it dreams
z ~ p(z) and x ~ p_θ(x|z): φ climbs log q_φ(z|x) on the dream. Each half is a plain maximum
likelihood with all variables seen, and nothing is differentiated through a draw; but the two do not
climb one common bound. Asleep, φ descends KL(p_θ(z|x) ‖ q_φ(z|x)) averaged over dreams: the other
way round than the bound's gap KL(q ‖ p), and over the model's x, not the data's.
"""

from vae_np.backend import array_module
from vae_np.bounds import sgvb_b
from vae_np.networks import BernoulliDecoder
from vae_np.vae import VAE


class WakeSleepVAE(VAE):
    """A `VAE` that learns by wake-sleep. What it reports is SGVB-B, to compare.

    Parameters
    ----------
    encoder, decoder
        As for `VAE`.
    """

    weighs_kl = False

    def __init__(self, encoder, decoder):
        super().__init__(encoder, decoder)
        self.bound_name = "wake-sleep"

    def draw_noise(self, generator, n_draws, n_examples):
        """As `VAE.draw_noise`, and for the dream: z ~ p(z), (N, Z), and x's own noise, (N, D)."""
        noise = super().draw_noise(generator, n_draws, n_examples)
        dream_z = generator.standard_normal((n_examples, self.n_latent), dtype=self.dtype)
        bernoulli = isinstance(self.decoder, BernoulliDecoder)
        pixel_noise = generator.random if bernoulli else generator.standard_normal
        return noise, dream_z, pixel_noise((n_examples, self.n_pixels), dtype=self.dtype)

    def bound_and_gradient(self, x, noise, log_prior_scale=0.0):
        """As `VAE.bound_and_gradient`, by wake-sleep; ``noise`` comes from `draw_noise`."""
        if not isinstance(noise, tuple):
            raise ValueError("noise must be the three arrays that draw_noise returns, got one")
        noise, dream_z, dream_noise = noise
        self._check_step(x, noise)
        xp, n_draws, n_examples = array_module(x), *noise.shape[:2]

        q = self.encoder.forward(x)
        z = q.sample(noise)
        p = self.decoder.forward(z)
        bound = sgvb_b(x, q, p)
        upstream = xp.full((n_draws, n_examples), -1 / (n_draws * n_examples), dtype=x.dtype)
        self.decoder.backward(*p.log_prob_backward(x, upstream))  # wake: θ
        self.decoder.parameters.add_weight_prior(log_prior_scale)

        dream_x = self.decoder.forward(dream_z).sample(dream_noise)
        q = self.encoder.forward(dream_x)
        upstream = xp.full(n_examples, -1 / n_examples, dtype=x.dtype)
        self.encoder.backward(*q.log_prob_backward(dream_z, upstream))  # sleep: φ
        return bound
