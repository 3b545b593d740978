"""vae_np's peers of benchmark.py: its training step, and the step's matrix products alone."""

import os

import numpy as np

from demos.common.machine import cores
from vae_np import VAE, Adam, BernoulliDecoder, GaussianEncoder, Trainer, fused
from vae_np.backend import array_module, device_module, to_device
from vae_np.matrix_products import cublas, matmul
from vae_np.training.threads import product_threads

PIXELS, LATENT, LEARNING_RATE = 784, 20, 1e-3


def vae_np(images, batch, width, device, threads=None, fast=False, graph=True):
    os.environ["VAE_NP_FUSED"] = "1" if fast else "0"
    encoder = GaussianEncoder(PIXELS, [width], LATENT, device=device)
    model = VAE(encoder, BernoulliDecoder(LATENT, [width], PIXELS, device=device))
    if fast and fused.one_pass(fused.adam, model.encoder.parameters.value) is None:
        raise ValueError("numba is not installed, or not for this device or so small a model")
    optimizer = Adam(model.parameters, LEARNING_RATE)
    if graph and device == "gpu" and not cublas(device_module(device)):
        raise ValueError("nvmath-python is not installed, without which nothing is recorded")
    options = {"batch_size": batch, "threads": threads or cores(), "graph": graph}
    trainer = Trainer(model, optimizer, images, **options)
    return np.__version__, lambda: trainer.fit(trainer.epoch + 1, progress=False)


def vae_np_fast(*arguments):
    return vae_np(*arguments, fast=True)


def vae_np_fast_1(*arguments):
    return vae_np(*arguments, threads=1, fast=True)


def vae_np_1(*arguments):
    return vae_np(*arguments, threads=1)


def vae_np_plain(*arguments):
    """Every kernel of every step launched by Python."""
    return vae_np(*arguments, graph=False)


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

    def step():
        for (left, right), result in zip(products, results, strict=True):
            matmul(left, right, out=result)

    replay, finish = (step, lambda: None) if device == "cpu" else as_a_graph(step, array_module(x))

    def epoch():
        with product_threads(threads or cores()):
            for _ in range(len(images) // batch):
                replay()
            finish()

    return np.__version__, epoch


def as_a_graph(step, cupy):
    """What replays ``step`` on a GPU, and what waits until that is done."""
    cupy.cuda.get_current_stream().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        step()
        stream.begin_capture()
        step()
        graph = stream.end_capture()
    return lambda: graph.launch(stream), stream.synchronize


def matrix_products_1(*arguments):
    return matrix_products(*arguments, threads=1)
