"""Affine copies of images."""
import cv2
import numpy as np

SIDE = 32
PADDED = SIDE + 4
BLOCK = 512  # images per call: OpenCV's remap reads at most 32767 rows


def affine_copies(images, copies, rotation, scale, shift, rng):
    """``copies`` randomly rotated, scaled and shifted versions of every image, empty space black.

    images uint8 [N, 32, 32, 1]; rotation in degrees, scale as a fraction, shift in pixels, each the
    largest deviation either way; rng a numpy RandomState. Returns uint8 [copies * N, 32, 32, 1], one
    whole set after the other.
    """
    return np.concatenate([_warped(images, rotation, scale, shift, rng) for _ in range(copies)])


def _warped(images, rotation, scale, shift, rng):
    count = len(images)
    angle = np.radians(rng.uniform(-rotation, rotation, count))
    zoom = rng.uniform(1 - scale, 1 + scale, count)
    offset = rng.uniform(-shift, shift, (2, count))
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    warped = np.empty_like(images)
    for start in range(0, count, BLOCK):
        part = slice(start, start + BLOCK)
        warped[part] = _remap(images[part], cosine[part], sine[part], offset[:, part])
    return warped


def _remap(images, cosine, sine, offset):
    """All images of the block as one tall picture, so that one call moves every pixel."""
    tall = np.pad(images[..., 0], [(0, 0), (2, 2), (2, 2)], 'constant').reshape(-1, PADDED)
    centre = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) - np.float32(centre)
    c, s, (dy, dx) = (a[..., None, None].astype(np.float32) for a in (cosine, sine, offset))
    border = (PADDED - 1) / 2
    source_y = np.clip(c * y + s * x + dy + border, 0, PADDED - 1)
    source_x = np.clip(c * x - s * y + dx + border, 0, PADDED - 1)
    source_y += PADDED * np.arange(len(images), dtype=np.float32)[:, None, None]
    moved = cv2.remap(tall, source_x.reshape(-1, SIDE), source_y.reshape(-1, SIDE), cv2.INTER_LINEAR)
    return moved.reshape(images.shape)
