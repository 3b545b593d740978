"""JAX's peers of benchmark.py: the same model, images and optimizer."""

import os

import numpy as np

from demos.benchmark.our_peers import LATENT, LEARNING_RATE, PIXELS


def jax_step(images, batch, width, device, scan=False, precision="highest"):
    # It would take three quarters of a GPU's memory when it starts, and the peers start together.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cuda" if device == "gpu" else "cpu")
    jax.config.update("jax_default_matmul_precision", precision)  # "highest" is true float32
    generator = np.random.default_rng(0)

    def linear(n_in, n_out):
        weight = generator.uniform(-1, 1, (n_in, n_out)) / np.sqrt(n_in)
        return jnp.asarray(weight, jnp.float32), jnp.zeros(n_out, jnp.float32)

    parameters = [
        linear(PIXELS, width),
        linear(width, 2 * LATENT),
        linear(LATENT, width),
        linear(width, PIXELS),
    ]
    m, v = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
    state = (parameters, m, v, jnp.zeros((), jnp.float32), jax.random.key(0))
    x_all = jnp.asarray(images, jnp.float32) / 255
    steps = len(images) // batch

    def loss(parameters, x, key):
        (w1, b1), (w2, b2), (w3, b3), (w4, b4) = parameters
        mean, log_var = jnp.split(jnp.tanh(x @ w1 + b1) @ w2 + b2, 2, axis=1)
        z = mean + jnp.exp(0.5 * log_var) * jax.random.normal(key, mean.shape)
        logits = jnp.tanh(z @ w3 + b3) @ w4 + b4
        log_px = (x * logits - jax.nn.softplus(logits)).sum(axis=1)
        kl = 0.5 * (mean**2 + jnp.exp(log_var) - 1 - log_var).sum(axis=1)
        return (kl - log_px).mean()

    def step(state, rows):
        parameters, m, v, t, key = state
        key, noise_key = jax.random.split(key)
        value, grad = jax.value_and_grad(loss)(parameters, x_all[rows], noise_key)
        t = t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grad)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grad)
        scale = jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        parameters = jax.tree.map(
            lambda p, m, v: p - LEARNING_RATE * scale * m / (jnp.sqrt(v) + 1e-8), parameters, m, v
        )
        return (parameters, m, v, t, key), value

    one_step = jax.jit(step, donate_argnums=0)
    whole_epoch = jax.jit(lambda state, order: jax.lax.scan(step, state, order), donate_argnums=0)

    def epoch():
        nonlocal state
        order = generator.permutation(len(images))[: steps * batch].reshape(steps, batch)
        if scan:
            state, values = whole_epoch(state, order)
        else:
            for rows in order:
                state, values = one_step(state, rows)
        jax.block_until_ready((state, values))

    return jax.__version__, epoch


def jax_scan(*arguments):
    return jax_step(*arguments, scan=True)


def jax_step_tf32(*arguments):
    """JAX's default on a GPU: products of numbers rounded to 10 bits behind the point."""
    return jax_step(*arguments, precision="default")


def jax_scan_tf32(*arguments):
    return jax_step(*arguments, scan=True, precision="default")
