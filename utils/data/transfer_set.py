"""What a network learns from: real images or data impressions, and affine copies of either."""
import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from utils.data.datasets import DATASETS, count
from utils.files import RunError


def transfer_set(settings, method, inputs, rng):
    """What a network learns from: (images uint8 [N, H, W, C] in 0..255, labels int32 [N] in 0..classes-1).

    settings: of a training; method: its Method; inputs: its Inputs; rng a numpy RandomState. The
    label of an impression is its target's most probable class, for the curve of train accuracy alone.
    """
    if method.from_impressions:
        images, labels = inputs.impressions.images, inputs.impressions.targets.argmax(axis=1)
    else:
        (images, labels), (_, held_out) = split(settings, inputs)
        lost = np.setdiff1d(held_out, labels)
        if lost.size:
            print('warning: --holdout %d leaves no training image of %d classes'
                  % (settings.holdout, lost.size))
        if method.has_teacher:
            sample = stratified_sample(labels, count(settings.rate, len(labels)), rng)
            lost = np.setdiff1d(labels, labels[sample])
            if lost.size:
                print('warning: the sample of %d images has none of %d classes' % (len(sample), lost.size))
            images, labels = images[sample], labels[sample]
    if method.augment:
        size = len(images)
        print('%d images and %d copies of each to learn from' % (size, settings.copies))
        images = with_affine_copies(images, settings.copies, settings.rotation, settings.scale,
                                    settings.shift, rng)
        labels = np.tile(labels, 1 + settings.copies)
        if settings.mirror:  # every other copy of each image, from its first or its second one
            first = rng.randint(2, size=size)
            for number, version in enumerate(np.split(images, 1 + settings.copies)[1:]):
                version[first == number % 2] = version[first == number % 2, :, ::-1]
        if method.has_teacher and (settings.cutmix or settings.fmix):
            mix(images[size:], settings.cutmix, settings.fmix, rng)
    return images, labels


def split(settings, inputs):
    """((images, labels) to learn from, (images, labels) that --holdout keeps for evaluation).

    These are the last training images of a known data set. Those of a user's own file, which may be sorted by
    class, are some of every class, the same ones for every seed, and among those of a larger --holdout.
    Raises RunError where none are left to learn from.
    """
    images, labels = inputs.dataset.part('train', inputs.pair.image_shape)
    check_holdout(inputs.dataset, images, settings.holdout)
    remaining = len(images) - settings.holdout
    if settings.dataset in DATASETS or not settings.holdout:
        return (images[:remaining], labels[:remaining]), (images[remaining:], labels[remaining:])
    places = np.empty(len(labels))  # of an image among those of its class, from 0 to 1
    rng = np.random.RandomState(0)
    for k in np.unique(labels):
        of_class = np.flatnonzero(labels == k)
        places[of_class] = (rng.permutation(len(of_class)) + 0.5) / len(of_class)
    order = np.argsort(-places, kind='stable')
    kept, held_out = np.sort(order[:remaining]), np.sort(order[remaining:])
    return (images[kept], labels[kept]), (images[held_out], labels[held_out])


def check_holdout(dataset, images, holdout):
    """Raises RunError where ``holdout`` leaves none of the training images of a data set."""
    if holdout >= len(images):
        raise RunError('%s holds %d training images, too few for --holdout %d'
                       % (dataset.name, len(images), holdout))


def stratified_sample(labels, size, rng):
    """Sorted indices of exactly ``size`` random items, each class in proportion to its share.

    labels [N] in 0..classes-1; 0 < size <= N; rng a numpy RandomState.
    """
    counts = np.bincount(labels)
    shares = counts * (size / len(labels))
    quotas = np.floor(shares).astype(int)
    largest_remainders = np.argsort(quotas - shares, kind='stable')
    quotas[largest_remainders[:size - quotas.sum()]] += 1
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:quotas[k]]
                                   for k in range(len(counts))]))


def with_affine_copies(images, copies, rotation, scale, shift, rng):
    """The images, and ``copies`` randomly rotated, scaled and shifted versions of each, empty space black.

    images uint8 [N, H, W, C]; rotation in degrees, scale as a fraction, shift in pixels, each the largest
    deviation either way; rng a numpy RandomState. Returns uint8 [(1 + copies) * N, H, W, C], one whole set
    after the other.
    """
    _, height, width, channels = images.shape
    result = np.empty((1 + copies,) + images.shape, np.uint8)
    result[0] = images
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    for version in result[1:]:
        angle = np.radians(rng.uniform(-rotation, rotation, len(images)))
        zoom = rng.uniform(1 - scale, 1 + scale, len(images))
        dy, dx = rng.uniform(-shift, shift, (2, len(images)))
        c, s = np.cos(angle) / zoom, np.sin(angle) / zoom
        # Where in the image each pixel of the copy comes from.
        sources = np.array([[c, -s, dx + middle_x * (1 - c) + middle_y * s],
                            [s, c, dy + middle_y * (1 - c) - middle_x * s]]).transpose(2, 0, 1)
        for image, copy, source in zip(images, version, sources):
            moved = cv2.warpAffine(image, source, (width, height),
                                   flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            copy[...] = moved.reshape(height, width, channels)
    return result.reshape(-1, height, width, channels)


def mix(copies, cutmix, fmix, rng):
    """Puts a region of another copy into some of the copies, in place; the teacher labels the result.

    copies uint8 [N, H, W, C]; cutmix: the fraction that gets a random rectangle (CutMix: Yun et al., ICCV
    2019); fmix: the fraction of the others that gets a region with a smooth outline (FMix: Harris et al.,
    2020). Neither has its mixed labels here. rng a numpy RandomState.
    """
    items, plane = len(copies), copies.shape[1:3]
    order = rng.permutation(items)
    rest = items - int(round(cutmix * items))
    for mixed in order[:items - rest]:
        region = rectangle(plane, rng)
        copies[mixed][region] = copies[rng.randint(items)][region]
    smooth = order[items - rest:][:int(round(fmix * rest))]
    for some in np.array_split(smooth, -(-len(smooth) // 500) or 1):
        others = copies[rng.randint(items, size=len(some))]
        copies[some] = np.where(regions(len(some), plane, rng), others, copies[some])


def rectangle(plane, rng):
    """A random rectangle of a plane (height, width), each side a quarter to three quarters of the plane's."""
    def part_of(side):
        length = rng.randint(side // 4, 3 * side // 4 + 1)
        start = rng.randint(side - length + 1)
        return slice(start, start + length)

    return part_of(plane[0]), part_of(plane[1])


def regions(items, plane, rng):
    """Random regions of a plane (height, width), as where blurred noise is high: bool [items, H, W, 1].

    The blur of all is a fourteenth to a fifth of the shorter side. Most cover a quarter to three quarters of
    the plane.
    """
    blur = min(plane) * np.exp(rng.uniform(np.log(1 / 14), np.log(1 / 5)))
    noise = gaussian_filter(rng.standard_normal((items, *plane)), [0, blur, blur], mode='wrap')
    quarter = 0.6745 * noise.std(axis=(1, 2))  # above it is a quarter of a normal distribution
    return (noise > (quarter * rng.uniform(-1, 1, items))[:, None, None])[..., None]


def batches(items, batch_size, steps, rng):
    """Yields ``steps`` index arrays of length batch_size; every item once before any twice."""
    order = np.empty(0, int)
    for _ in range(steps):
        while len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(items)])
        yield order[:batch_size]
        order = order[batch_size:]
