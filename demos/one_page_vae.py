# %% [markdown]
# # A variational autoencoder on one page
#
# We take a digit x, 784 pixels, to come from a short code z in two steps: draw z from the *prior*
# p(z) = N(0, I), then draw the pixels from the *likelihood* p_θ(x|z). A network, the **decoder**,
# turns z into each pixel's probability of being white; θ are its weights. We look for the θ that
# makes our digits likely, but log p_θ(x) = log ∫ p_θ(x|z) p(z) dz is out of reach: of all codes,
# hardly any explains a given x. So a second network, the **encoder**, says where to look: from x
# it computes the mean and the variance of a Gaussian q_φ(z|x), which stands in for the *posterior*
# p_θ(z|x). Whatever q we choose,
#
#     log p_θ(x) = ELBO + KL(q_φ(z|x) ‖ p_θ(z|x))                                      (eq. 1)
#     ELBO       = E_q[log p_θ(x|z)] − KL(q_φ(z|x) ‖ p(z))                             (eq. 3)
#
# (Put p(x) = p(x, z) / p(z|x) into E_q[log p(x)], and add log q − log q: that is eq. 1.) KL(q ‖ p)
# = E_q[log q − log p], averaged over draws from q, says how far q is from p, and is never below 0.
# So the ELBO is a lower bound on log p_θ(x), and we can compute it: how well codes from q explain
# x, minus how far q is from the prior. Here θ and φ climb it together. log p_θ(x) has no φ in it:
# what φ adds to the ELBO it takes from KL(q ‖ posterior), so that q comes near a posterior that
# nobody computed. θ raises log p_θ(x), or brings the posterior to q.
# (Equations are those of Kingma and Welling, arXiv 1312.6114; numbers are in nats per digit.)

# %%
import os
import sys
from importlib.util import find_spec
from pathlib import Path

if not all(map(find_spec, ("numpy", "matplotlib", "vae_np"))):
    what = "NumPy, Matplotlib or vae_np, which brings the digits, is not installed"
    print(f"one_page_vae.py: error: {what}: python -m pip install -e .", file=sys.stderr)
    sys.exit(2)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for NumPy: two would wait for each other

import matplotlib.pyplot as plt
import numpy as np

N_PIXELS, N_HIDDEN, N_LATENT = 28 * 28, 200, 10
EPOCHS, BATCH_SIZE, LEARNING_RATE = 50, 100, 1e-3


# %% [markdown]
# ## Two networks of one hidden layer
# `dy` is the derivative of the loss with respect to y; the chain rule takes it back to the weights
# and to x.


# %%
def network(rng, n_in, n_out):
    """Draw the weights [W₁, b₁, W₂, b₂] of y = tanh(x W₁ + b₁) W₂ + b₂."""
    W1 = rng.uniform(-1, 1, (n_in, N_HIDDEN)) / np.sqrt(n_in)
    W2 = rng.uniform(-1, 1, (N_HIDDEN, n_out)) / np.sqrt(N_HIDDEN)
    return [w.astype(np.float32) for w in (W1, np.zeros(N_HIDDEN), W2, np.zeros(n_out))]


def forward(weights, x):
    """Return the hidden layer, and y, for each row of x."""
    W1, b1, W2, b2 = weights
    hidden = np.tanh(x @ W1 + b1)
    return hidden, hidden @ W2 + b2


def backward(weights, x, hidden, dy):
    """Return the derivatives with respect to the weights, in the same order, and to x."""
    W1, _, W2, _ = weights
    dhidden = dy @ W2.T
    da = dhidden * (1 - hidden**2)  # through hidden = tanh(a), with tanh′ = 1 − tanh²
    return [x.T @ da, da.sum(axis=0), hidden.T @ dy, dy.sum(axis=0)], da @ W1.T


def sigmoid(a):
    return 0.5 + 0.5 * np.tanh(0.5 * a)  # 1 / (1 + exp(−a)), but never overflows


def softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))  # log(1 + exp(a)), likewise


# %% [markdown]
# ## The ELBO, and its gradient
# A draw from q is a random number: it has no derivative with respect to q's mean and variance.
# But z = mean + σ ⊙ noise, with noise ~ N(0, I), is such a draw too, and ∂z/∂mean = 1 and
# ∂z/∂σ = noise, where σ = exp(½ log_var) and so ∂σ/∂log_var = ½ σ. This **reparameterization** lets
# the gradient through, to the encoder.


# %%
def elbo_and_gradient(phi, theta, x, noise):
    """Return each digit's ELBO, and the gradients of the loss −mean(ELBO)."""
    encoder_hidden, heads = forward(phi, x)
    mean, log_var = np.split(heads, 2, axis=1)  # q_φ(z|x) = N(mean, diag(σ²)) (eq. 9)
    std = np.exp(0.5 * log_var)
    z = mean + std * noise  # a draw from q_φ(z|x) (eq. 4)
    decoder_hidden, logits = forward(theta, z)  # p_θ(x|z) = Bernoulli(sigmoid(logits))
    reconstruction = (x * logits - softplus(logits)).sum(axis=1)  # log p_θ(x|z) (eq. 11)
    kl = 0.5 * (mean**2 + std**2 - 1 - log_var).sum(axis=1)  # KL(q_φ(z|x) ‖ p(z)) (appendix B)
    elbo = reconstruction - kl  # (eq. 10), with one draw of z

    dlogits = (sigmoid(logits) - x) / len(x)  # and back, from the last line to the first
    dtheta, dz = backward(theta, z, decoder_hidden, dlogits)
    dmean = dz + mean / len(x)  # through z, and from the KL
    dlog_var = dz * 0.5 * std * noise + 0.5 * (std**2 - 1) / len(x)
    dphi, _ = backward(phi, x, encoder_hidden, np.hstack([dmean, dlog_var]))
    return elbo, dphi, dtheta


# %% [markdown]
# ## Is the gradient right?
# Walk a little way, ±h, along any direction through all weights: the slope of the loss must be
# the gradient times the direction.


# %%
def slopes(phi, theta, x, noise, rng, h=1e-5):
    """The loss's slope along a random direction: from the gradient, and from differences."""
    weights = [w.astype(np.float64) for w in phi + theta]
    direction = [rng.standard_normal(w.shape) for w in weights]

    def loss_and_gradient(way):
        moved = [w + way * d for w, d in zip(weights, direction, strict=True)]
        elbo, dphi, dtheta = elbo_and_gradient(moved[:4], moved[4:], x, noise)
        return -elbo.mean(), dphi + dtheta

    _, gradient = loss_and_gradient(0)
    analytic = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    numeric = (loss_and_gradient(h)[0] - loss_and_gradient(-h)[0]) / (2 * h)
    return analytic, numeric


# %% [markdown]
# ## Learning
# The paper's Algorithm 1: a minibatch, noise, the gradient, a step. The step is Adam's
# (1412.6980): along the running mean of the gradients, over the root of their mean square.


# %%
def train(phi, theta, images, rng, epochs):
    """Change φ and θ, in place, so that the images' ELBO rises."""
    weights, step = phi + theta, 0
    means, squares = [0 * w for w in weights], [0 * w for w in weights]
    for epoch in range(1, epochs + 1):
        elbos = []
        for x in np.array_split(rng.permutation(images), len(images) // BATCH_SIZE):
            noise = rng.standard_normal((len(x), N_LATENT), dtype=np.float32)
            elbo, dphi, dtheta = elbo_and_gradient(phi, theta, x, noise)
            step += 1
            rate = LEARNING_RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            for w, g, m, v in zip(weights, dphi + dtheta, means, squares, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                w -= rate * m / (np.sqrt(v) + 1e-8)
            elbos.append(elbo.mean())
        if epoch == 1 or epoch % 10 == 0:
            print(f"epoch {epoch:2}: ELBO {np.mean(elbos):7.2f}", flush=True)


# %% [markdown]
# ## What it has learned


# %%
def picture(phi, theta, images, rng):
    """Draw images, their reconstructions, and new digits from the prior."""
    mean = forward(phi, images)[1][:, :N_LATENT]
    z = rng.standard_normal((40, N_LATENT), dtype=np.float32)
    rows = {
        "Test digits": images,
        "Reconstructed: the encoder's mean, decoded": sigmoid(forward(theta, mean)[1]),
        "New: codes drawn from the prior, decoded": sigmoid(forward(theta, z)[1]),
    }
    figure, axes = plt.subplots(3, figsize=(7, 5), height_ratios=[1, 1, 4], layout="constrained")
    for ax, (title, digits) in zip(axes, rows.items(), strict=True):
        ax.imshow(digits.reshape(-1, 10, 28, 28).swapaxes(1, 2).reshape(-1, 280), cmap="gray")
        ax.set_title(title)
        ax.axis("off")
    return figure


# %% [markdown]
# ## Run it

# %%
if __name__ == "__main__":
    package = find_spec("vae_np").submodule_search_locations[0]
    with np.load(Path(package, "data", "mnist5k.npz")) as file:
        images = file["x"] / np.float32(255)
    rng = np.random.default_rng(0)
    test, training = np.split(rng.permutation(images), [1000])

    phi, theta = network(rng, N_PIXELS, 2 * N_LATENT), network(rng, N_LATENT, N_PIXELS)
    white = training.mean(axis=0).clip(0.001, 0.999)
    theta[-1][:] = np.log(white / (1 - white))  # z need not tell what all digits have in common
    noise = rng.standard_normal((len(test), N_LATENT), dtype=np.float32)
    by_hand, by_differences = slopes(phi, theta, test[:5], noise[:5], rng)
    print(f"slope of the loss: {by_hand:.6f} by hand, {by_differences:.6f} by differences")

    train(phi, theta, training, rng, EPOCHS)
    elbo, _, _ = elbo_and_gradient(phi, theta, test, noise)
    print(f"1,000 digits that it has not seen: ELBO {elbo.mean():.2f} nats per digit")
    Path("runs").mkdir(exist_ok=True)
    picture(phi, theta, test[:10], rng).savefig("runs/one_page_vae.png", dpi=120)
    print("The picture is runs/one_page_vae.png")
