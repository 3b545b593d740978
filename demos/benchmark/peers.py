"""The peers of benchmark.py: the same model, images and optimizer in each library.

Each runs in a process of its own, which benchmark.py starts. Standard input asks for one epoch a
line; standard output answers its seconds. Every function here returns the library's version and a
function that trains for one epoch and waits until it is done.
"""

import argparse
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from demos.common.findings import cores
from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder, Trainer, datasets, fused
from vae_np.backend import array_module, to_device, to_numpy
from vae_np.training.threads import product_threads

PIXELS, LATENT, LEARNING_RATE = 784, 20, 1e-3


def vae_np(images, batch, width, device, threads=None, fast=False):
    os.environ["VAE_NP_FUSED"] = "1" if fast else "0"
    encoder = GaussianEncoder(PIXELS, [width], LATENT, device=device)
    model = VAE(encoder, BernoulliDecoder(LATENT, [width], PIXELS, device=device))
    if fast and fused.one_pass(fused.adam, model.encoder.parameters.value) is None:
        raise ValueError("numba is not installed, or not for this device or so small a model")
    optimizer = Adam(model.parameters, LEARNING_RATE)
    trainer = Trainer(model, optimizer, images, batch_size=batch, threads=threads or cores())
    return np.__version__, lambda: trainer.fit(trainer.epoch + 1, progress=False)


def vae_np_fast(*arguments):
    return vae_np(*arguments, fast=True)


def vae_np_fast_1(*arguments):
    return vae_np(*arguments, threads=1, fast=True)


def vae_np_1(*arguments):
    return vae_np(*arguments, threads=1)


def matrix_products(images, batch, width, device, threads=None):
    """The eleven matrix products of a training step, and nothing else: the floor."""
    generator = np.random.default_rng(0)

    def array(*shape):
        return to_device(generator.standard_normal(shape, dtype=np.float32), device)

    x, h, k, a = (
        array(batch, PIXELS),
        array(batch, width),
        array(batch, width),
        array(batch, PIXELS),
    )
    z, heads = array(batch, LATENT), array(batch, 2 * LATENT)
    w_in, w_heads = array(PIXELS, width), array(width, 2 * LATENT)
    w_z, w_out = array(LATENT, width), array(width, PIXELS)
    forward = [(x, w_in), (h, w_heads), (z, w_z), (k, w_out)]
    backward = [(k.T, a), (a, w_out.T), (z.T, k), (k, w_z.T), (h.T, heads), (heads, w_heads.T)]
    products = [*forward, *backward, (x.T, h)]  # the last has no dx beside it: x is data
    results = [left @ right for left, right in products]
    xp = array_module(x)

    def epoch():
        with product_threads(threads or cores()):
            for _ in range(-(-len(images) // batch)):
                for (left, right), result in zip(products, results, strict=True):
                    xp.matmul(left, right, out=result)
            to_numpy(results[0][0, :1])  # waits for a GPU

    return np.__version__, epoch


def matrix_products_1(*arguments):
    return matrix_products(*arguments, threads=1)


def torch_eager(images, batch, width, device, fused=False, compiled=False):
    import torch
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits

    where = torch.device("cuda" if device == "gpu" else "cpu")

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden_x, self.hidden_z = nn.Linear(PIXELS, width), nn.Linear(LATENT, width)
            self.mean, self.log_var = nn.Linear(width, LATENT), nn.Linear(width, LATENT)
            self.logits = nn.Linear(width, PIXELS)

        def forward(self, x):
            h = torch.tanh(self.hidden_x(x))
            mean, log_var = self.mean(h), self.log_var(h)
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
            logits = self.logits(torch.tanh(self.hidden_z(z)))
            cross_entropy = binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
            kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
            return (cross_entropy + kl).mean()

    model = Model().to(where)
    loss_of = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=fused)
    x_all = torch.tensor(images, device=where, dtype=torch.float32) / 255

    def epoch():
        total = torch.zeros((), device=where)
        for rows in torch.randperm(len(x_all), device=where).split(batch):
            optimizer.zero_grad()
            loss = loss_of(x_all[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()

    return torch.__version__, epoch


def torch_fused(*arguments):
    return torch_eager(*arguments, fused=True)


def torch_compiled(*arguments):
    return torch_eager(*arguments, fused=True, compiled=True)


def jax_step(images, batch, width, device, scan=False):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cuda" if device == "gpu" else "cpu")
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


PEERS = {
    peer.__name__: peer
    for peer in (
        vae_np,
        vae_np_fast,
        vae_np_1,
        vae_np_fast_1,
        matrix_products,
        matrix_products_1,
        torch_eager,
        torch_fused,
        torch_compiled,
        jax_step,
        jax_scan,
    )
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--device", required=True)
    args = parser.parse_args()
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # it ends with the benchmark
    images = np.resize(datasets.load("mnist5k").train, (args.examples, PIXELS))
    try:
        version, epoch = PEERS[args.peer](images, args.batch, args.width, args.device)
        epoch()  # compiles, allocates, fills caches: not timed
    except Exception as error:  # not installed, no compiler, no GPU: the others can still run
        reason = str(error).strip().splitlines() or [""]
        answer({"missing": f"{type(error).__name__}: {reason[0]}"})
        return
    answer({"version": version})
    for _ in sys.stdin:
        started, cpu_started = time.perf_counter(), time.process_time()
        epoch()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        answer({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak_bytes()})


def peak_bytes():
    """The most memory that this process has held; on Linux not what its parent held before it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer(message):
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
