"""The ELBO as an objective: SGVB-B (eq. 7), the model's own; what `Trainer` climbs by default."""

from vae_np.checks import Checked, model_of, number_from_0, read_only


class ELBO:
    """Climb the ELBO of `VAE.elbo`.

    Parameters
    ----------
    model : VAE
    kl_weight : float
        Weight of the KL in the *loss*: 1 climbs the ELBO; 0 leaves a plain autoencoder; other
        values are the β of a β-VAE. To change it between epochs, set it in `Trainer.fit`'s
        ``after_epoch``, before a checkpoint is saved there; `Trainer.load` wants an objective of
        the saved weight. The ELBO that is reported always has the weight 1.
    """

    def __init__(self, model, kl_weight=1.0):
        self._model, self.kl_weight = model_of(model), kl_weight
        self._vectors = {"encoder": model.encoder.parameters, "decoder": model.decoder.parameters}

    model, vectors = read_only("model vectors")
    kl_weight = Checked(number_from_0)

    def settings(self):
        return {"objective": "elbo", "kl_weight": self.kl_weight}

    def draw_noise(self, generator, n_draws, n_examples):
        return self.model.draw_noise(generator, n_draws, n_examples)

    def value(self, x, noise):
        return self.model.elbo(x, noise)

    def value_and_gradient(self, x, noise):
        return self.model.elbo_and_gradient(x, noise, self.kl_weight)
