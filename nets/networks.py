"""The pairs of networks: finds one by name or file, and builds it under the scope of its role.

A pair's file holds:

| name | what it is |
| --- | --- |
| IMAGE_SHAPE | height, width and channels of the images that both networks take |
| LAST_LAYER | the variable [features, classes] whose columns are the class templates, such as 'fc2/weights' |
| teacher, student | functions (images, classes, training) -> logits |

``images`` are float32 [B, height, width, channels] in [0, 1], ``classes`` is the number of classes,
``training`` tells batch norm and dropout whether the network is being trained, and the logits are float32 [B,
classes].
"""
import functools
import importlib
import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import NamedTuple, Tuple

from nets import PAIRS
from utils.files import RunError, read_bytes
from utils.graph_mode import tf

SAME_NUMBERS = 'Reshape', 'Identity'  # operations that keep the numbers and their order
ROLES = 'Teacher', 'Student'


class Pair(NamedTuple):
    """A teacher and a student that take the same images."""
    name: str                           # as given to --nets
    image_shape: Tuple[int, int, int]   # height, width, channels
    last_layer: str                     # the variable with the class templates, below the network's scope
    module: ModuleType                  # with the functions that build the networks


@functools.lru_cache(maxsize=None)
def find_pair(name):
    """The Pair of that name, one of PAIRS or the path of a user's own file, which is run.

    Raises RunError where the file is missing, cannot be run, or lacks something.
    """
    module = importlib.import_module('nets.' + name) if name in PAIRS else _run(name)
    shape, last_layer = getattr(module, 'IMAGE_SHAPE', None), getattr(module, 'LAST_LAYER', None)
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)
            and shape[2] in (1, 3)):
        raise RunError('%r: IMAGE_SHAPE must be three whole numbers (height, width, 1 or 3 channels), '
                       'such as 32, 32, 3' % name)
    if not isinstance(last_layer, str):
        raise RunError("%r: LAST_LAYER must name the last layer's weights, such as 'fc2/weights'" % name)
    for role in ROLES:
        try:
            inspect.signature(getattr(module, role.lower())).bind('images', 'classes', 'training')
        except (AttributeError, TypeError, ValueError) as error:
            raise RunError('%r has no function %s(images, classes, training)'
                           % (name, role.lower())) from error
    return Pair(name, shape, last_layer, module)


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
    """Logits of the ``role`` ('Teacher' or 'Student') of a pair.

    A second call shares the first one's variables.

    | tensor | shape | content |
    | --- | --- | --- |
    | images | [B, *pair.image_shape] | float32, pixels in [0, 1] |
    | returned | [B, classes] | float32 logits |

    plain: build from TensorFlow's own operations alone, for export and comparison, with the same variables.
    Raises RunError where a user's own pair fails or gives something else.
    """
    builder = getattr(pair.module, role.lower())
    if plain:
        builder = functools.partial(builder, **getattr(pair.module, 'PLAIN', {}))
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
