"""Arrays as the text that a page can hold."""

import base64
import itertools

import numpy as np

PACKED = 400_000  # bytes that the images of a page may take


def packed_images(pixels, least):
    """As many of the images, (N, D) uint8, as PACKED bytes hold, but `least` at least; and these
    bytes, base64: a 0 is followed by how many of them there are, up to 255.
    """
    packed, count = bytearray(), 0
    while count < len(pixels) and (count < least or len(packed) <= PACKED):
        for value, equal in itertools.groupby(pixels[count].tolist()):
            length = sum(1 for _ in equal)
            if value:
                packed += bytes([value]) * length
            else:
                packed += b"\0\xff" * (length // 255) + bytes([0, length % 255])
        count += 1
    return pixels[:count], base64_of(np.frombuffer(packed, np.uint8), np.uint8)


def base64_of(array, dtype):
    little_endian = np.dtype(dtype).newbyteorder("<")
    return base64.b64encode(np.asarray(array).astype(little_endian).tobytes()).decode()
