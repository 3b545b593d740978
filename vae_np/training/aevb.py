"""Auto-Encoding VB, the paper's Algorithm 1, and nothing else.

Try it: ``python vae_np/training/aevb.py`` learns the embedded digits (``python -m
vae_np.training.aevb`` too: ignore its RuntimeWarning). What running needs besides (history, Ctrl-C,
checkpoints, divergence noticed) is in `vae_np.training.trainer`, which takes the minibatches and
the step from here.
"""

from vae_np.backend import Stream, random_generator, to_device
from vae_np.checks import optimizer_of, whole_number


def train(objective, optimizer, images, epochs, batch_size=100, n_draws=1, seed=0):
    """Algorithm 1: repeat, for ``epochs`` passes over the images; yield each pass's mean ELBO.

    ``objective`` is an `ELBO`, or another of `vae_np.objectives` (θ, φ ← its model's initial
    weights); ``optimizer`` was made for its vectors, as `Adam(vae.parameters)`; ``images`` are
    (N, D). It is a generator, and trains while you iterate: ``for elbo in train(...)``.
    """
    model, batch_size = objective.model, whole_number("batch_size", batch_size)
    optimizer_of(optimizer, objective.vectors.values())
    images = to_device(model.check(images), model.device)
    for epoch in range(whole_number("epochs", epochs, minimum=0)):
        total = 0.0
        for rows, generator in minibatches(len(images), batch_size, seed, epoch, model.device):
            x = model.as_pixels(images[rows])  # X^M ← a random minibatch of M datapoints
            noise = objective.draw_noise(generator, n_draws, len(x))  # ε ← samples from p(ε)
            total += float(step(objective, optimizer, x, noise).value.sum())
        yield total / len(images)


def minibatches(n_images, batch_size, seed, epoch, device):
    """Yield an epoch's minibatches: the rows of the images, shuffled, and a generator of noise."""
    order, generator = shuffled(n_images, seed, epoch, device)
    for rows in cut(order, batch_size):
        yield rows, generator


def shuffled(n_images, seed, epoch, device):
    """All the randomness of an epoch: the order of the images, and a generator of noise."""
    shuffle = random_generator([seed, Stream.SHUFFLE, epoch])
    order = to_device(shuffle.permutation(n_images), device)
    return order, random_generator([seed, Stream.TRAINING_NOISE, epoch], device)


def cut(order, batch_size):
    """The order, cut into minibatches; the last takes what is left."""
    return (order[start : start + batch_size] for start in range(0, len(order), batch_size))


def step(objective, optimizer, x, noise, prior_share=0.0):
    """One update of θ and φ. ``prior_share`` of log p(θ) is added to the mean ELBO: 1/N for MAP."""
    value = objective.value_and_gradient(x, noise)  # g ← ∇ of the loss: −(eq. 8)/N
    if prior_share:
        objective.vectors["decoder"].add_weight_prior(prior_share)
    optimizer.step()  # θ, φ ← update by g: SGD or Adagrad in the paper
    return value


if __name__ == "__main__":
    from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder, datasets
    from vae_np.objectives.elbo import ELBO

    data = datasets.load("mnist5k")
    vae = VAE(GaussianEncoder(784, [500], 20), BernoulliDecoder(20, [500], 784))
    vae.decoder.start_at(data.mean_image)
    for number, elbo in enumerate(train(ELBO(vae), Adam(vae.parameters), data.train, epochs=20)):
        print(f"epoch {number + 1:2}: training ELBO {elbo:.2f} nats per digit")
