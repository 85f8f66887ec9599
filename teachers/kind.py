"""What a teacher's file says of it before networks and hyper-parameters are chosen for its students."""
import functools
from typing import NamedTuple

import numpy as np

from teachers.formats import digest_of, full_name
from teachers.freeze import frozen_graph
from teachers.weights import has_graph, read_weights


class TeacherKind(NamedTuple):
    """What hyper-parameters depend on."""
    channels: int = 1       # of its images: 1 or 3
    foreign: bool = False   # it is a graph of its own
    values: int = 0         # of an image: height * width * channels; 0 where its file does not say


def kind_of(path, options, nets=None):
    """The TeacherKind of a file, with 0 channels where nothing in it tells; options: a TeacherOptions.

    nets: as given to --nets. Raises RunError where the file cannot be read.
    """
    return _kind_of(path, digest_of(path), options.input, nets)


@functools.lru_cache(maxsize=4)
def _kind_of(path, digest, name_of_input, nets):
    if not has_graph(path):
        return TeacherKind(_channels_of_kernels(read_weights(path).values()))
    from nets.networks import find_pair
    from teachers.beginning import image_shape
    from utils.graph_mode import tf
    with tf.Graph().as_default() as graph:
        try:
            tf.import_graph_def(frozen_graph(path), name='')
            images = [op.outputs[0] for op in graph.get_operations() if op.type == 'Placeholder']
            if name_of_input:
                images = [graph.get_tensor_by_name(full_name(name_of_input))]
        except Exception:  # said where the network is opened; the weights beside it may be of a pair
            return TeacherKind(_channels_of_kernels(read_weights(path).values()))
    for tensor in sorted(images, key=lambda each: each.shape.ndims == 2):
        is_flat = tensor.shape.ndims == 2
        shape = image_shape(tensor.shape, find_pair(nets).image_shape if nets and is_flat else None)
        if shape and shape[2] in (1, 3):
            if not tensor.dtype.is_floating:  # as in an export of this project: its weights alone can teach
                return TeacherKind(shape[2])
            return TeacherKind(shape[2], True, int(np.prod(shape)) if all(shape) else 0)
    return TeacherKind(0, True)


def _channels_of_kernels(arrays):
    """The input channels of the first convolution [height, width, in, out], or [out, in, height, width]."""
    for array in arrays:
        if array is not None and array.ndim == 4:
            channels = array.shape[2 if array.shape[0] == array.shape[1] else 1]
            if channels in (1, 3):
                return channels
    return 0
