"""The pairs of networks by name. A pair is one Python file; this module finds it, nets/build.py runs it.

A pair's file holds:

| name | what it is |
| --- | --- |
| IMAGE_SHAPE | height, width and channels of the images that both networks take |
| LAST_LAYER | the variable [features, classes] whose columns are the class templates, such as 'fc2/weights' |
| teacher, student | functions (images, classes, training) -> logits |

``images`` are float32 [B, height, width, channels] in [0, 1], ``classes`` is the number of classes,
``training`` tells batch norm and dropout whether the network is being trained, and the logits are float32 [B,
classes]. Here TensorFlow is not imported: autotrain.py plans without it.
"""
import ast
import os
from contextlib import suppress
from typing import NamedTuple, Tuple

from utils.files import RunError, read_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
PAIRS = ('lenet', 'alexnet')


class Pair(NamedTuple):
    """A teacher and a student that take the same images."""
    name: str                           # as given to --nets
    file: str                           # the path of its Python file
    image_shape: Tuple[int, int, int]   # height, width, channels
    last_layer: str                     # the variable with the class templates, below the network's scope


def pair_file(name):
    """The path of a pair's file; ``name`` is one of PAIRS or the path of a user's own file."""
    return os.path.join(HERE, name + '.py') if name in PAIRS else name


def find_pair(name):
    """The Pair of that name.

    Its file is read, not run. Raises RunError where it is missing or states no such facts.
    """
    path = pair_file(name)
    try:
        statements = ast.parse(read_bytes(path)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RunError('%r is not a Python file: %s' % (path, error)) from error
    facts = {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            with suppress(ValueError, TypeError):  # not a literal, so none of the facts
                facts[statement.targets[0].id] = ast.literal_eval(statement.value)
    functions = {statement.name for statement in statements if isinstance(statement, ast.FunctionDef)}
    shape, last_layer = facts.get('IMAGE_SHAPE'), facts.get('LAST_LAYER')
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)
            and shape[2] in (1, 3)):
        raise RunError('%r: IMAGE_SHAPE must be three whole numbers (height, width, 1 or 3 channels), '
                       'such as 32, 32, 3' % path)
    if not isinstance(last_layer, str):
        raise RunError("%r: LAST_LAYER must name the last layer's weights, such as 'fc2/weights'" % path)
    for name_of_function in ('teacher', 'student'):
        if name_of_function not in functions:
            raise RunError('%r has no function %s(images, classes, training)' % (path, name_of_function))
    return Pair(name, path, shape, last_layer)
