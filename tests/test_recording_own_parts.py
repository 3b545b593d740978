"""A step of which any part is a reader's own is not recorded: that part may count on Python."""

import numpy as np
import pytest
from test_recording import made, weights

from vae_np import VAE, BernoulliDecoder, GaussianEncoder
from vae_np.backend import say_once
from vae_np.layers import Linear, Sequential


class Counts:
    """Mixed into a part: how often it was told to go forward."""

    calls = 0

    def forward(self, *given):
        self.calls += 1
        return super().forward(*given)


def model_with(part):
    """A VAE whose encoder, decoder or decoder's network is one's own, or the VAE itself."""
    own = {"vae": VAE, "encoder": GaussianEncoder, "decoder": BernoulliDecoder}
    own = own | {"network": Sequential}
    own[part] = type("Own", (Counts, own[part]), {"__module__": __name__})
    network = own["network"]([Linear(3, 6)])
    decoder = own["decoder"](3, n_pixels=6, network=network, device="gpu")
    return own["vae"](own["encoder"](6, [], 3, device="gpu"), decoder)


@pytest.mark.parametrize("part", ["vae", "encoder", "decoder", "network"])
def test_every_part_of_ones_own_is_run_at_each_step(gpu, images, part, capsys):
    plain, asked = (made(images, model=model_with(part), graph=graph) for graph in (False, True))
    plain.fit(2)
    say_once.cache_clear()
    asked.fit(2)
    said = "Steps are not recorded, and so take longer: Own is not of this package\n"
    assert capsys.readouterr().err == said
    np.testing.assert_array_equal(weights(asked.objective), weights(plain.objective))
