"""The guide's drawings: a KL's two directions, φ's turn and θ's, the gradient's way, the clouds.

What they show is computed: the two best Gaussians by a search, the one-pixel model's numbers by
vae_np.inference, the clouds from the recorded result of demos/questions/clouds.py.
"""

import sys

from demos.documents.clouds import clouds
from demos.documents.glass import glass
from demos.documents.reparameterization import reparameterization
from demos.documents.svg import write_all
from demos.documents.two_kls import two_kls

DRAWINGS = {
    "two-kls": two_kls,
    "glass": glass,
    "reparameterization": reparameterization,
    "clouds": clouds,
}


def main(argv=None):
    return write_all("draw_pictures.py", __doc__, DRAWINGS, argv)


if __name__ == "__main__":
    sys.exit(main())
