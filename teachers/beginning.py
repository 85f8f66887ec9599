"""The beginning of a network: which images its input takes, and what its other inputs are in use."""
import contextlib
import functools

import numpy as np

from teachers.trial import outputs_of
from utils.files import RunError
from utils.graph_mode import tf
from utils.images import SIDES, by_x


def image_shape(shape, given=None):
    """(height, width, channels) of the images that an input of a TensorShape takes, None where it is open.

    Its axes are [batch, height, width, channels], [batch, height, width] of grey images, or [batch, values]
    of flat ones: of the shape ``given``, else square, row by row. None where it takes no images.
    """
    if shape.ndims is None:
        return None, None, None
    axes = shape.as_list()[1:]
    if len(axes) == 3:
        return tuple(axes)
    if len(axes) == 2:
        return (*axes, 1)
    if len(axes) != 1 or axes[0] is None:
        return None
    if given and np.prod(given) == axes[0]:
        return tuple(given)
    squares = [(int(round((axes[0] / channels) ** 0.5)), channels) for channels in (1, 3)]
    return next(((side, side, channels) for side, channels in squares
                 if side in SIDES and side * side * channels == axes[0]), None)


def check_image_shape(path, name, shape, given):
    """The image_shape of a network's input, complete: what is open is as ``given``.

    path and name: of the network and its input, for messages; given: None, or a pair's image_shape. Raises
    RunError where these are no images.
    """
    found = image_shape(shape, given)
    if found is None:
        raise RunError('%r: its input %s has the shape %s, not [batch, height, width, channels], [batch, '
                       'height, width] or that of flat square images; name another with --teacher_input'
                       % (path, name, shape))
    complete = tuple(n or other for n, other in zip(found, given or [None] * 3))
    if None in complete:
        raise RunError('%r leaves the size of its images open; give it as IMAGE_SHAPE in the file of --nets'
                       % path)
    if complete[2] not in (1, 3):
        raise RunError('%r takes images [batch, %d, %d, %d], and the last axis must be 1 or 3 channels; save '
                       'the network with channels last' % ((path,) + complete))
    if None in found:
        print('%r leaves the size of its images open; %s is taken: if it learned from others, save it with '
              'their size (docs/teacher-files.md)' % (path, by_x(complete)))
    if shape.ndims == 2:
        print('%r: its flat input %s is taken as images of %s' % (path, name, by_x(complete)))
    return complete


def tried(path, graph, switches, shape, build):
    """(a GraphDef whose other inputs are set, how many outputs it has).

    switches: the names of these inputs; shape: of its images; build: a function of (graph, images) that gives
    its logits. Raises RunError as outputs_of does.
    """
    for value in (1, 0) if switches else ():  # as the share that dropout keeps, or as dropout's rate
        with contextlib.suppress(RunError):
            fixed = _with_switches(graph, switches, value)
            outputs = outputs_of(path, shape, functools.partial(build, fixed))
            print('%r: its input %s is %d, or False, as in use' % (path, ', '.join(switches), value))
            return fixed, outputs
    return graph, outputs_of(path, shape, lambda images: build(graph, images))


def _with_switches(graph, names, value):
    """A copy of a GraphDef in which the inputs ``names`` are constants: False where they are logical."""
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        if node.name in names:
            kind = tf.as_dtype(node.attr['dtype'].type)
            node.ClearField('attr')
            node.op, node.attr['dtype'].type = 'Const', kind.as_datatype_enum
            node.attr['value'].tensor.CopyFrom(
                tf.make_tensor_proto(False if kind == tf.bool else value, kind, []))
    return result
