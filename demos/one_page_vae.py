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
#     log p_θ(x) = ELBO + KL(q_φ(z|x) ‖ p_θ(z|x))                              (eq. 1)
#     ELBO       = E_q[log p_θ(x|z)] − KL(q_φ(z|x) ‖ p(z))                     (eq. 3)
#
# KL(q ‖ p), the average of log q − log p over draws from q, says how far q is from p, and is never
# below 0. So the ELBO is a lower bound on log p_θ(x), and one that we can compute: how well codes
# from q explain x, minus how far q is from the prior. θ and φ climb it: what φ adds comes off
# KL(q ‖ posterior). (Equations: Kingma and Welling, arXiv 1312.6114. Numbers: nats per digit.)
#
# **To run it:** in a clone, `python -m pip install -e .` once. Without one: NumPy, Matplotlib, and
# the repository's [file of digits](../vae_np/data/mnist5k.npz) in the folder that you run this in.

# %%
import os
import sys
from importlib.util import find_spec
from pathlib import Path

if not (find_spec("numpy") and find_spec("matplotlib")) or not (
    find_spec("vae_np") or Path("mnist5k.npz").exists()
):
    what = "NumPy, Matplotlib or vae_np, which brings the digits, is not installed"
    print(f"one_page_vae.py: error: {what}: python -m pip install -e .", file=sys.stderr)
    sys.exit(2)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for NumPy: more would wait for each other

import matplotlib.pyplot as plt
import numpy as np

N_PIXELS, N_HIDDEN, N_LATENT = 28 * 28, 200, 2  # two latents can be drawn
EPOCHS, BATCH_SIZE, LEARNING_RATE = 50, 100, 2e-3

rng, package = np.random.default_rng(0), find_spec("vae_np")
folder = Path(package.origin).with_name("data") if package else Path()
with np.load(folder / "mnist5k.npz") as arrays:
    order = rng.permutation(len(arrays["x"]))
    digits, labels = arrays["x"][order] / np.float32(255), arrays["y"][order]
test, training = digits[:1000], digits[1000:]

# %% [markdown]
# ## Two networks of one hidden layer
# `dy` is the derivative of the loss with respect to y; the chain rule takes it on, to x and W.


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
    da = dy @ W2.T * (1 - hidden**2)  # through hidden = tanh(a), with tanh′ = 1 − tanh²
    return [x.T @ da, da.sum(axis=0), hidden.T @ dy, dy.sum(axis=0)], da @ W1.T


phi, theta = network(rng, N_PIXELS, 2 * N_LATENT), network(rng, N_LATENT, N_PIXELS)
white = training.mean(axis=0).clip(0.001, 0.999)
theta[-1][:] = np.log(white / (1 - white))  # z need not tell what all digits have in common
# %% [markdown]
# **Exercise.** Put ReLU, `np.maximum(0, …)`, in the place of tanh. What changes in `backward`?
# <details><summary>Answer</summary> One line: <code>da = dy @ W2.T * (hidden > 0)</code></details>
#
# ## The ELBO, and its gradient
# A draw from q is a random number: it has no derivative with respect to q's mean and variance.
# But z = mean + σ ⊙ noise, noise ~ N(0, I), is such a draw too, with ∂z/∂mean = 1, ∂z/∂σ = noise
# and ∂σ/∂log_var = ½ σ. This **reparameterization** lets the gradient through, to the encoder.


# %%
def sigmoid(a):
    return 0.5 + 0.5 * np.tanh(0.5 * a)  # 1 / (1 + exp(−a)), but never overflows


def elbo_and_gradient(phi, theta, x, noise):
    """Return each digit's ELBO, and the gradients of the loss −mean(ELBO)."""
    encoder_hidden, heads = forward(phi, x)
    mean, log_var = np.split(heads, 2, axis=1)  # q_φ(z|x) = N(mean, diag(σ²)) (eq. 9)
    std = np.exp(0.5 * log_var)
    z = mean + std * noise  # a draw from q_φ(z|x) (eq. 4)
    decoder_hidden, logits = forward(theta, z)  # p_θ(x|z) = Bernoulli(sigmoid(logits))
    reconstruction = (x * logits - np.logaddexp(0, logits)).sum(axis=1)  # log p_θ(x|z) (eq. 11)
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
# Along any direction through all weights, the slope of the loss must be the gradient times it.


# %%
def slopes(phi, theta, x, noise, rng, h=1e-5):
    """The loss's slope along a random direction: from the gradient, and from differences."""
    weights = [w.astype(np.float64) for w in phi + theta]
    direction = [rng.standard_normal(w.shape) for w in weights]
    losses = []
    for way in (h, -h, 0):
        moved = [w + way * d for w, d in zip(weights, direction, strict=True)]
        elbo, dphi, dtheta = elbo_and_gradient(moved[:4], moved[4:], x, noise)
        losses.append(-elbo.mean())
    by_hand = sum((g * d).sum() for g, d in zip(dphi + dtheta, direction, strict=True))
    return by_hand, (losses[0] - losses[1]) / (2 * h)


noise = rng.standard_normal((len(test), N_LATENT), dtype=np.float32)
by_hand, by_differences = slopes(phi, theta, test[:5], noise[:5], rng)
print(f"slope of the loss: {by_hand:.6f} by hand, {by_differences:.6f} by differences")

# %% [markdown]
# **Exercise.** Forget the first 0.5 of `dlog_var`. Who notices: this print, or the learning below?
# <details><summary>Answer</summary> The print. Learning only ends a little lower.</details>
#
# ## Learning
# The paper's Algorithm 1: a minibatch, noise, the gradient, a step. The step is Adam's (1412.6980).
# **Before you run it:** codes pay, in KL, to leave the middle. Where will they go?


# %%
def train(phi, theta, images, rng, epochs):
    """Change φ and θ, in place, so that the images' ELBO rises; yield it after each epoch."""
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
        yield epoch, np.mean(elbos)


def tile(ax, digits, title):
    ax.imshow(digits.reshape(-1, 5, 28, 28).swapaxes(1, 2).reshape(-1, 140), cmap="gray")
    ax.set(title=title, xticks=[], yticks=[])


# %%
_, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
shown = dict(zip((1, 5, 20, EPOCHS), axes.T, strict=True))
z = rng.standard_normal((25, N_LATENT), dtype=np.float32)  # the same each time
for epoch, elbo in train(phi, theta, training, rng, EPOCHS):
    if epoch in shown:
        print(f"epoch {epoch:2}: ELBO {elbo:7.2f}", flush=True)
        plane, page = shown[epoch]
        plane.scatter(*forward(phi, test)[1].T[:2], c=labels[:1000], cmap="tab10", s=3)
        plane.set(title=f"q's means, epoch {epoch}", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
        tile(page, sigmoid(forward(theta, z)[1]), "drawn from the prior")
elbo = elbo_and_gradient(phi, theta, test, noise)[0].mean()
print(f"1,000 digits that it has not seen: ELBO {elbo:.2f} nats per digit")

# %% [markdown]
# **Exercise.** Let `train` draw no noise: `noise *= 0`. Where does σ go, and why?
# <details><summary>Answer</summary> To 1: no pixel depends on σ, and the KL alone pulls.</details>
#
# ## What it has learned
# **Before you run it:** which of these ten digits will come back as another one?

# %%
mean, log_var = np.split(forward(phi, test)[1], 2, axis=1)
_, axes = plt.subplots(1, 2, figsize=(9, 2.2), layout="constrained")
tile(axes[0], test[:10], "Test digits")
tile(axes[1], sigmoid(forward(theta, mean[:10])[1]), "q's means, decoded")

# %% [markdown]
# **Exercise.** Walk from a digit to another: decode `codes = np.linspace(mean[0], mean[7], 10)`.
# <details><summary>Answer</summary>
# <code>tile(plt.gca(), sigmoid(forward(theta, codes)[1]), "a walk")</code></details>
#
# ## The posterior that nobody computed
# Two latents fit on a grid. At each point p_θ(x, z) = p_θ(x|z) p(z) has a formula; their sum, times
# the area of a cell, is p_θ(x), and p_θ(z|x) = p_θ(x, z) / p_θ(x).
# **Before you run it:** q is an ellipse along the axes. Is the posterior? What is ELBO + KL?


# %%
def exact_posterior(theta, x, z):
    """Return log p_θ(x), and log p_θ(z|x) at each point z of a grid, for each row of x."""
    _, logits = forward(theta, z)
    log_prior = -0.5 * (z**2).sum(axis=-1) - np.log(2 * np.pi)
    log_joint = logits @ x.T + (log_prior - np.logaddexp(0, logits).sum(axis=-1))[..., None]
    log_px = np.log(np.exp(log_joint.astype(float)).sum(axis=(0, 1)) * (z[1, 1] - z[0, 0]).prod())
    return log_px, log_joint - log_px


z = np.stack(np.meshgrid(*2 * [np.linspace(-5, 5, 201, dtype=np.float32)]), axis=-1)
log_px, log_posterior = exact_posterior(theta, test[:3], z)
_, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for k, ax in enumerate(axes):
    log_q = -0.5 * ((z - mean[k]) ** 2 / np.exp(log_var[k]) + log_var[k] + np.log(2 * np.pi))
    log_q, t = log_q.sum(axis=-1), np.linspace(0, 2 * np.pi)
    kl = np.average(log_q - log_posterior[..., k], weights=np.exp(log_q))
    elbo = elbo_and_gradient(phi, theta, test[[k] * 1000], noise)[0].mean()
    print(f"ELBO {elbo:.1f} + KL {kl:.1f} = {elbo + kl:.1f}; log p(x) = {log_px[k]:.1f}")
    ax.pcolormesh(*z.T, np.exp(log_posterior[..., k]).T, cmap="Oranges", shading="gouraud")
    ax.plot(*(mean[k, :, None] + 2 * np.exp(0.5 * log_var[k, :, None]) * [np.cos(t), np.sin(t)]))
    ax.set(title="shades: the posterior; line: q, at 2 σ", aspect="equal")
    ax.axis(np.add.outer(mean[k], [-0.6, 0.6]).ravel())

# %% [markdown]
# **Exercise.** Set `N_LATENT = 10` and run all but this last part. What is won, and what is lost?
# <details><summary>Answer</summary> About 38 nats; and the plane, and with it the grid.</details>

# %%
for number in plt.get_fignums():  # of a script; a notebook has shown them
    Path("runs").mkdir(exist_ok=True)
    plt.figure(number).savefig(f"runs/one_page_vae_{number}.png", dpi=120)
