"""The pairs of networks: finds one by name or file, and builds it under the scope of its role.

docs/networks.md says what a pair's file holds. Its functions take ``images``, float32 [B, height, width,
channels] in [0, 1], ``classes``, their number, and ``training``, which tells batch norm and dropout whether
the network is being trained. They give logits, float32 [B, classes].
"""
import functools
import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import NamedTuple, Optional, Tuple

import numpy as np

from nets import PAIRS
from utils.files import RunError, read_bytes
from utils.graph_mode import tf
from utils.images import SIDES, by_x

SAME_NUMBERS = 'Reshape', 'Identity'  # operations that keep the numbers and their order
ROLES = 'Teacher', 'Student'
LARGEST_SIDE = 128  # of images for the student of a known pair


class Pair(NamedTuple):
    """A teacher and a student that take the same images."""
    name: str                           # as given to --nets
    image_shape: Optional[Tuple[int, int, int]]  # height, width, channels; None where its file does not say
    last_layer: Optional[str]           # the variable with the class templates, below the network's scope
    module: ModuleType                  # with the functions that build the networks


@functools.lru_cache(maxsize=None)
def find_pair(name):
    """The Pair of that name, one of PAIRS or the path of a user's own file, which is run.

    Raises RunError where the file is missing, cannot be run, or lacks something.
    """
    module = importlib.import_module('nets.' + name) if name in PAIRS else _run(name)
    shape, last_layer = getattr(module, 'IMAGE_SHAPE', None), getattr(module, 'LAST_LAYER', None)
    has_teacher = hasattr(module, 'teacher')
    for role in ROLES if has_teacher else ['Student']:
        _builder(name, module, role)
    if (shape is not None or has_teacher) and not (
            isinstance(shape, tuple) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)
            and shape[2] in (1, 3)):
        raise RunError('%r: IMAGE_SHAPE must be three whole numbers (height, width, 1 or 3 channels), '
                       'such as 32, 32, 3' % name)
    if (last_layer is not None or has_teacher) and not isinstance(last_layer, str):
        raise RunError("%r: LAST_LAYER must name the last layer's weights, such as 'fc2/weights'" % name)
    return Pair(name, shape, last_layer, module)


def _builder(name, module, role):
    """The function of a pair's module that builds the ``role``."""
    builder = getattr(module, role.lower(), None)
    try:
        inspect.signature(builder).bind('images', 'classes', 'training')
    except (TypeError, ValueError) as error:
        raise RunError('%r has no function %s(images, classes, training)' % (name, role.lower())) from error
    return builder


def fitted(pair, image_shape, classes):
    """The pair with a student for images of ``image_shape`` (height, width, channels).

    Raises RunError where the student cannot be built for them.
    """
    smallest = getattr(pair.module, 'SMALLEST_SIDE', SIDES[0])
    largest = LARGEST_SIDE if pair.name in PAIRS else SIDES[-1]
    if not all(smallest <= side <= largest for side in image_shape[:2]):
        raise RunError('the student of the networks %r takes images of %d to %d pixels a side, not %s; give '
                       '--nets a file with a student for them'
                       % (pair.name, smallest, largest, by_x(image_shape)))
    pair = pair._replace(image_shape=tuple(image_shape))
    variable_shapes(pair, 'Student', classes)
    return pair


def _run(path):
    """The module of a user's own file. It may import modules beside it, and leaves nothing there."""
    read_bytes(path)  # where it cannot be read, this says so
    folder, name = os.path.split(os.path.abspath(path))
    specification = importlib.util.spec_from_file_location('own_pair_' + os.path.splitext(name)[0], path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # dataclasses look themselves up
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.append(folder)
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # it is the user's own code
        raise RunError('%r cannot be used: %s' % (path, _line(error))) from error
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = writes
    return module


def build(pair, role, images, classes, training=False, plain=False):
    """Logits of the ``role`` ('Teacher' or 'Student') of a pair, float32 [B, classes].

    images: float32 [B, *pair.image_shape] in [0, 1]. A second call shares the first one's variables.

    plain: build from TensorFlow's own operations alone, for export and comparison, with the same variables.
    Raises RunError where a user's own pair fails or gives something else.
    """
    builder = _builder(pair.name, pair.module, role)
    if plain and 'plain' in inspect.signature(builder).parameters:
        builder = functools.partial(builder, plain=True)
    variables = len(tf.global_variables())
    with tf.variable_scope(role, reuse=tf.AUTO_REUSE):
        try:
            logits = tf.convert_to_tensor(builder(images, classes, training))
        except Exception as error:
            if pair.name in PAIRS:
                raise
            raise RunError('%r: its %s cannot be built: %s'
                           % (pair.name, role.lower(), _line(error))) from error
    _check(pair, role, logits, classes, tf.global_variables()[variables:])
    return logits


def _check(pair, role, logits, classes, new_variables):
    """Raises RunError where the built network does not fit the pair."""
    who = '%r: its %s' % (pair.name, role.lower())
    if logits.dtype != tf.float32 or logits.shape.ndims != 2 or logits.shape.as_list()[1] != classes:
        raise RunError('%s gives %s %s, not logits float32 [batch, %d]'
                       % (who, logits.dtype.name, logits.shape, classes))
    for name in [variable.op.name for variable in new_variables]:
        if not name.startswith(role + '/') and name != 'global_step':
            raise RunError('%s makes a new variable %s every time it is built; make it by tf.get_variable'
                           % (who, name))
    if pair.last_layer is None:
        return
    shapes = {v.op.name: v.shape.as_list() for v in tf.trainable_variables(role + '/')}
    last = shapes.get('%s/%s' % (role, pair.last_layer), [])
    if len(last) != 2 or last[1] != classes:
        raise RunError('%s has no trainable variable %r [features, %d], which is its LAST_LAYER'
                       % (who, pair.last_layer, classes))


def network_variables(role):
    """All variables of a network, moving averages too; to be called before an optimiser adds its own."""
    return tf.global_variables(role + '/')


def variable_shapes(pair, role, classes):
    """{variable name: shape} of a network, from a graph of its own."""
    with tf.Graph().as_default():
        build(pair, role, tf.placeholder(tf.float32, [None, *pair.image_shape]), classes)
        return {v.op.name: v.shape.as_list() for v in network_variables(role)}


def classes_among(arrays, pair, role):
    """The number of classes of a network of the pair whose weights are among {name: array or None}.

    None where they are not all there, or not all of the size that the pair's image shape makes them.
    """
    last = '%s/%s' % (role, pair.last_layer)
    sizes = {name: array.size for name, array in arrays.items() if array is not None}
    lengths = [arrays[name].shape[-1] for name in sizes if arrays[name].ndim and (
        name == last if pair.last_layer else name.startswith(role + '/'))]
    for classes in dict.fromkeys(lengths):
        try:
            shapes = variable_shapes(pair, role, classes)
        except (RunError, ValueError):  # the last axis of a layer before, or too few pixels
            continue
        if all(sizes.get(name) == np.prod(shape) for name, shape in shapes.items()):
            return classes
    return None


def flattened_shape(pair, role, classes):
    """{name: (height, width, channels)} of the weights behind a flattened stack of planes.

    They are the weights of every dense layer whose input is such a stack.
    """
    with tf.Graph().as_default() as graph:
        build(pair, role, tf.placeholder(tf.float32, [None, *pair.image_shape]), classes, plain=True)
        found = {}
        for product in (operation for operation in graph.get_operations() if operation.type == 'MatMul'):
            planes = product.inputs[0]
            while planes.op.type in SAME_NUMBERS:
                planes = planes.op.inputs[0]
            if len(planes.shape) == 4:
                weights = product.inputs[1]
                while weights.op.inputs:
                    weights = weights.op.inputs[0]
                found[weights.op.name] = tuple(planes.shape.as_list()[1:])
        return found


def _line(error):
    """What went wrong in a user's own code, in one line."""
    return ' '.join(('%s: %s' % (type(error).__name__, error)).split())
