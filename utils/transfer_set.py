"""What a student learns from: a stratified sample of real images, or data impressions and affine copies of them."""
import cv2
import numpy as np

from utils import datasets
from utils.datasets import CLASSES, SIDE
from utils.files import RunError
from utils.impressions import load_impressions
from utils.methods import METHODS
from utils.recipes import count


def transfer_set(settings, impressions, rng):
    """What to learn from: (images uint8 [N, 32, 32, 1] in 0..255, labels uint8 [N] in 0..9).

    settings: of a training; impressions: path of the file for a method that uses one; rng a numpy RandomState. The label
    of an impression is its target's most probable class, which serves the curve of train accuracy alone.
    """
    method = METHODS[settings.method]
    if method.from_impressions:
        images, targets = load_impressions(impressions)
        labels = targets.argmax(axis=1)
        if method.augment:
            copies = affine_copies(images, settings.copies, settings.rotation, settings.scale, settings.shift, rng)
            images, labels = np.concatenate([images, copies]), np.tile(labels, 1 + settings.copies)
        return images, labels
    images, labels = datasets.load(settings.dataset, settings.data, 'train')
    remaining = len(images) - settings.holdout
    if remaining < 1:
        raise RunError('%r holds %d training images, too few for --holdout %d'
                       % (settings.dataset, len(images), settings.holdout))
    images, labels = images[:remaining], labels[:remaining]
    if method.has_teacher:
        sample = stratified_sample(labels, count(settings.rate, len(labels)), rng)
        images, labels = images[sample], labels[sample]
    return images, labels


def stratified_sample(labels, size, rng):
    """Sorted indices of exactly ``size`` random items, each class in proportion to its share.

    labels [N] in 0..9; 0 < size <= N; rng a numpy RandomState.
    """
    counts = np.bincount(labels, minlength=CLASSES)
    shares = counts * (size / len(labels))
    quotas = np.floor(shares).astype(int)
    largest_remainders = np.argsort(quotas - shares, kind='stable')
    quotas[largest_remainders[:size - quotas.sum()]] += 1
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:quotas[k]]
                                   for k in range(CLASSES)]))


def affine_copies(images, copies, rotation, scale, shift, rng):
    """``copies`` randomly rotated, scaled and shifted versions of every image, empty space black.

    images uint8 [N, 32, 32, 1]; rotation in degrees, scale as a fraction, shift in pixels, each the
    largest deviation either way; rng a numpy RandomState. Returns uint8 [copies * N, 32, 32, 1], one
    whole set after the other.
    """
    moved = np.empty((copies,) + images.shape, np.uint8)
    centre = (SIDE - 1) / 2
    for version in moved:
        angle = np.radians(rng.uniform(-rotation, rotation, len(images)))
        zoom = rng.uniform(1 - scale, 1 + scale, len(images))
        dy, dx = rng.uniform(-shift, shift, (2, len(images)))
        c, s = np.cos(angle) / zoom, np.sin(angle) / zoom
        # Where in the image each pixel of the copy comes from.
        sources = np.array([[c, -s, dx + centre * (1 - c + s)], [s, c, dy + centre * (1 - c - s)]]).transpose(2, 0, 1)
        for image, copy, source in zip(images, version, sources):
            cv2.warpAffine(image[..., 0], source, (SIDE, SIDE), dst=copy[..., 0],
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return moved.reshape(-1, SIDE, SIDE, 1)


def batches(items, batch_size, steps, rng):
    """Yields ``steps`` index arrays of length batch_size; every item once before any twice."""
    order = np.empty(0, int)
    for _ in range(steps):
        while len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(items)])
        yield order[:batch_size]
        order = order[batch_size:]
