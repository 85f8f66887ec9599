"""Builds a network of a pair in the default graph, under the scope of its role."""
import functools
import importlib
import inspect
import types

import nets
from utils.files import RunError, read_bytes
from utils.graph_mode import tf

SAME_NUMBERS = 'Reshape', 'Identity'  # operations that leave the numbers and their order as they are


def build(pair, role, images, classes, training=False, textbook=False):
    """Logits of the ``role`` ('Teacher' or 'Student') of a pair.

    A second call shares the first one's variables.

    | tensor | shape | content |
    | --- | --- | --- |
    | images | [B, *pair.image_shape] | float32, pixels in [0, 1] |
    | returned | [B, classes] | float32 logits |

    textbook: build from TensorFlow's own operations alone, for export and comparison. The variables are the
    same. Raises RunError where a user's own pair fails or gives something else.
    """
    module = _module(pair)
    builder = getattr(module, role.lower())
    if textbook:
        builder = functools.partial(builder, **getattr(module, 'TEXTBOOK', {}))
    variables = len(tf.global_variables())
    with tf.variable_scope(role, reuse=tf.AUTO_REUSE):
        try:
            logits = tf.convert_to_tensor(builder(images, classes, training))
        except Exception as error:
            if pair.name in nets.PAIRS:
                raise
            raise RunError('%r: its %s cannot be built: %s'
                           % (pair.file, role.lower(), _line(error))) from error
    _check(pair, role, logits, classes, tf.global_variables()[variables:])
    return logits


def _check(pair, role, logits, classes, new_variables):
    """Raises RunError where what was built is no network of the pair."""
    who = '%r: its %s' % (pair.file, role.lower())
    if logits.dtype != tf.float32 or logits.shape.ndims != 2 or logits.shape.as_list()[1] != classes:
        raise RunError('%s gives %s %s, not logits float32 [batch, %d]'
                       % (who, logits.dtype.name, logits.shape, classes))
    for name in [variable.op.name for variable in new_variables]:
        if not name.startswith(role + '/') and name != 'global_step':
            raise RunError('%s makes the variable %s anew wherever it is built; make it by tf.get_variable'
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
        build(pair, role, tf.placeholder(tf.float32, [None, *pair.image_shape]), classes, textbook=True)
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


@functools.lru_cache(maxsize=None)
def _module(pair):
    if pair.name in nets.PAIRS:
        return importlib.import_module('nets.' + pair.name)
    module = types.ModuleType('own_pair')
    module.__file__ = pair.file
    try:
        exec(compile(read_bytes(pair.file), pair.file, 'exec'), vars(module))
        for role in ('teacher', 'student'):
            inspect.signature(getattr(module, role)).bind('images', 'classes', 'training')
    except Exception as error:  # it is the user's own code
        raise RunError('%r cannot be used: %s' % (pair.file, _line(error))) from error
    return module


def _line(error):
    """What went wrong in a user's own code, in one line."""
    return ' '.join(('%s: %s' % (type(error).__name__, error)).split())
