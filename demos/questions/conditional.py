"""How do I choose which digit the model draws? Tell both networks the label y.

A VAE draws a digit of any class, as z happens to say. Join y, a number for each class, to x where
it enters the encoder and to z where it enters the decoder. The same ELBO then learns p(x|y), and z
is left with what the label does not say: the style.

    log p(x|y) ≥ E_q[log p(x|z, y)] − KL(q(z|x, y) ‖ p(z))

On the way back the decoder returns the derivatives of z and of y; only z's go on, as y is given.

The picture has a row for each class and one z in each column: on the left from the prior, on the
right the code of the image on top, its style in all classes. A plain VAE learns beside it: compare
the KL, and what the codes say of the class. Of ten labels tried, the largest ELBO tells the class.
"""

import sys

import numpy as np

from demos.common.findings import run
from demos.common.plots import save_tiles
from vae_np import Adam, BernoulliDecoder, GaussianEncoder, datasets
from vae_np.backend import Stream, array_module, random_generator, to_device, to_numpy
from vae_np.figures import tiled
from vae_np.progress import progress_bar
from vae_np.training.aevb import minibatches

CLASSES, LATENT, DRAWS, STYLES = 10, 5, 10, 9  # styles: columns of each half of the picture


def joined(rows, y):
    """x or z with y behind it. A y of width 0 says nothing, and makes a plain VAE."""
    return array_module(rows).concatenate([rows, y], axis=1)


def forward(encoder, decoder, x, y, noise):
    """q(z|x, y), and p(x|z, y) at z = μ + σ ⊙ noise."""
    q = encoder.forward(joined(x, y))
    return q, decoder.forward(joined(q.sample(noise), y))


def fill_gradient(encoder, decoder, x, y, noise):
    """Of minus the ELBO, averaged over the minibatch."""
    q, p = forward(encoder, decoder, x, y, noise)
    share = array_module(x).full(len(x), 1 / len(x), dtype=x.dtype)
    dz_and_dy = decoder.backward(*p.log_prob_backward(x, -share))
    dmean, dlog_var = q.sample_backward(noise, dz_and_dy[:, : noise.shape[1]])  # y is given
    dmean_kl, dlog_var_kl = q.kl_backward(share)
    encoder.backward(dmean + dmean_kl, dlog_var + dlog_var_kl)


def train(data, x, y, args):
    """An encoder and a decoder for images x with labels y, by Algorithm 1."""
    (_, pixels), (_, n_labels), device = x.shape, y.shape, args.device
    seeds, deep = ([args.seed, Stream.ENCODER], [args.seed, Stream.DECODER]), [200, 200]
    encoder = GaussianEncoder(pixels + n_labels, [200], LATENT, seed=seeds[0], device=device)
    # With one layer, a hidden unit adds what y says to what z says: two mix them more freely.
    decoder = BernoulliDecoder(LATENT + n_labels, deep, pixels, seed=seeds[1], device=device)
    decoder.start_at(data.mean_image)
    optimizer = Adam([encoder.parameters, decoder.parameters])
    for epoch in progress_bar(True, iterable=range(args.epochs), unit="epoch", leave=False):
        optimizer.learning_rate = 2e-3 * min(1, 2 * (1 - epoch / args.epochs))
        for rows, generator in minibatches(len(x), 100, args.seed, epoch, device):
            noise = generator.standard_normal((len(rows), LATENT), dtype=x.dtype)
            fill_gradient(encoder, decoder, x[rows], y[rows], noise)
            optimizer.step()
    return encoder, decoder


def elbo_and_kl(networks, x, y, args):
    """Of each image, the ELBO by some draws, and the KL; (N,), NumPy."""
    generator = random_generator([args.seed, Stream.ELBO_NOISE], args.device)
    noises = generator.standard_normal((DRAWS, len(x), LATENT), dtype=x.dtype)
    pairs = [forward(*networks, x, y, noise) for noise in noises]
    kl = to_numpy(pairs[0][0].kl_to_standard_normal())
    return np.mean([to_numpy(p.log_prob(x)) for _, p in pairs], axis=0) - kl, kl


def experiment(args):
    data, results = datasets.load("mnist5k"), {}
    x, test_x = (to_device(part, args.device) / np.float32(255) for part in (data.train, data.test))
    one_hot = to_device(np.eye(CLASSES, dtype=np.float32), args.device)  # row c says: class c
    for name, width in (("plain", 0), ("conditional", CLASSES)):
        y, test_y = one_hot[data.train_labels, :width], one_hot[data.test_labels, :width]
        networks = train(data, x, y, args)
        elbo, kl = elbo_and_kl(networks, test_x, test_y, args)
        both = (x, y), (test_x, test_y)
        codes, test_codes = (to_numpy(networks[0].forward(joined(*of)).mean) for of in both)
        centres = [codes[data.train_labels == label].mean(axis=0) for label in range(CLASSES)]
        nearest = np.argmin([((test_codes - c) ** 2).sum(axis=1) for c in centres], axis=0)
        numbers = {"elbo": elbo, "kl": kl, "right_by_code": nearest == data.test_labels}
        results[name] = {key: float(values.mean()) for key, values in numbers.items()}
    y_of_all = [one_hot[np.full(len(test_x), label)] for label in range(CLASSES)]
    elbos = [elbo_and_kl(networks, test_x, y, args)[0] for y in y_of_all]
    right = float((np.argmax(elbos, axis=0) == data.test_labels).mean())
    draw(data, networks[1], test_codes[:STYLES], [y[:STYLES] for y in y_of_all], args)
    return results | {"right_by_largest_elbo": right}, describe(*results.values(), right)


def describe(plain, told, right):
    return (
        f"In nats per test image, the plain VAE has an ELBO of {plain['elbo']:.1f} and a KL of "
        f"{plain['kl']:.1f}; told the label, {told['elbo']:.1f} ({told['elbo'] - np.log(10):.1f} "
        f"with log p(y), as a bound on log p(x, y)) and {told['kl']:.1f}: a code need not say the "
        f"class. By the nearest mean code of a class, {plain['right_by_code']:.0%} of the plain "
        f"VAE's codes tell it, and {told['right_by_code']:.0%} of the other's, where 10% would be "
        "chance: its z is mostly the style. "
        f"The label with the largest ELBO is the right one for {right:.1%} of the images."
    )


def draw(data, decoder, codes, y_of_all, args):
    drawn = random_generator([args.seed, Stream.PICTURES]).standard_normal(codes.shape)
    tops, tiles = data.test[:STYLES] / 255, {}
    halves = {"z from the prior": (1 + 0 * tops, drawn), "z of the image on top": (tops, codes)}
    for title, (top, z) in halves.items():
        z = to_device(z.astype(np.float32), args.device)
        means = [to_numpy(decoder.forward(joined(z, y)).mean) for y in y_of_all]
        tiles[title] = tiled(np.concatenate([top, *means]), data.image_shape, STYLES)
    save_tiles(args.out / "conditional.png", 9, 6.2, tiles, "Each row: a label. Each column: a z")


if __name__ == "__main__":
    sys.exit(run(experiment, __doc__, epochs=50))
