"""Finds the weights of a network of a pair among arrays of any names, by their order and shapes.

Arrays are taken together layer by layer: a layer is a kernel with its biases, or a batch norm. Layers of the
same shapes are assigned in the order in which they come; the order of different ones does not matter.
"""
import re
from typing import Dict, NamedTuple

from nets.networks import flattened_shape, variable_shapes

BATCH_NORM = 'scale', 'offset', 'mean', 'variance'  # in the order in which every format has them
WORDS = {'kernel': 'weights|weight|kernel|w', 'bias': 'biases|bias|b', 'scale': 'gamma|scale',
         'offset': 'beta|offset', 'mean': 'moving_mean|running_mean|mean',
         'variance': 'moving_variance|running_variance|running_var|variance|var'}
LAST_WORD = re.compile(r'(?P<layer>.*?)(?:^|[/._:])(?:%s)(?:_?(?P<number>\d+))?$' % '|'.join(
    '(?P<%s>%s)' % words for words in WORDS.items()), re.IGNORECASE)
# What training leaves beside the weights, where its name does not begin with that of a variable.
NO_WEIGHTS = re.compile(r'optimizer|adam|momentum|rmsprop|global_step|num_batches_tracked|save_counter|'
                        r'beta\d_power|ExponentialMovingAverage', re.IGNORECASE)


class Layer(NamedTuple):
    name: str
    arrays: Dict[str, str]  # {'kernel', 'bias' or one of BATCH_NORM: the array's name}


def recognise(arrays, pair, role, channel_first):
    """({variable name: array} of a network of a pair, {its layer: the file's}), or (None, None).

    arrays: {name: array} of a file, in its order; channel_first: whether arrays may be laid out as PyTorch
    has them, which is tried when they do not fit otherwise: convolutions [out, in, height, width], dense
    layers [out, in] and their input flattened as channel, height, width.
    """
    arrays = {name: _without_axes_of_1(array) for name, array in arrays.items()
              if _may_be_weights(name, array) and not _belongs_to_another(name, arrays)}
    for layout in [arrays, _turned(arrays)] if channel_first else [arrays]:
        found = {name: array.shape for name, array in layout.items()}
        for classes in dict.fromkeys(shape[1] for shape in reversed(list(found.values())) if len(shape) == 2):
            shapes = variable_shapes(pair, role, classes)
            if len(shapes) != len(found):
                break
            names, layers = _assigned(found, {name: tuple(shape) for name, shape in shapes.items()})
            if names:
                result = {name: layout[other] for name, other in names.items()}
                if layout is not arrays:
                    _flatten_channels_last(result, pair, role, classes)
                return result, layers
    return None, None


def _may_be_weights(name, array):
    return array is not None and array.dtype.kind == 'f' and array.ndim > 0 and not NO_WEIGHTS.search(name)


def _belongs_to_another(name, arrays):
    """Whether an array is what an optimiser or an average keeps of another, as TensorFlow names such arrays.

    c1/kernel/Adagrad belongs to c1/kernel.
    """
    return any(name[:match.start()] in arrays for match in re.finditer('/', name))


def _without_axes_of_1(array):
    """An array of MATLAB [1, N] as [N]."""
    return array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array


def _turned(arrays):
    """PyTorch's [out, in, height, width] as [height, width, in, out], and [out, in] as [in, out]."""
    return {name: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
            for name, array in arrays.items()}


def _flatten_channels_last(arrays, pair, role, classes):
    """Gives dense layers that come first their rows in the order height, width, channel."""
    for name, (height, width, channels) in flattened_shape(pair, role, classes).items():
        rows = arrays[name].reshape(channels, height, width, -1)
        arrays[name] = rows.transpose(1, 2, 0, 3).reshape(height * width * channels, -1)


def _assigned(found, wanted):
    """({wanted name: found name}, {wanted layer: found layer}) from {name: shape}, or (None, None)."""
    wanted_layers = _layers(wanted)
    for layers in (_layers(found), _in_a_row('', list(found), found)):
        places = _by_signature(layers, found)
        if {key: len(place) for key, place in places.items()} != {
                key: len(place) for key, place in _by_signature(wanted_layers, wanted).items()}:
            continue
        names, partners = {}, {}
        for layer in wanted_layers:
            other = places[_signature(layer, wanted)].pop(0)
            names.update((layer.arrays[kind], other.arrays[kind]) for kind in layer.arrays)
            partners[layer.name.split('/', 1)[-1]] = other.name or next(iter(other.arrays.values()))
        return names, partners
    return None, None


def _by_signature(layers, shapes):
    places = {}
    for layer in layers:
        places.setdefault(_signature(layer, shapes), []).append(layer)
    return places


def _signature(layer, shapes):
    return tuple(sorted((kind, shapes[name]) for kind, name in layer.arrays.items()))


def _layers(shapes):
    """[Layer] of {name: shape}, by the words in which names end, such as conv0/weights or features.0.bias."""
    together = {}
    for name in shapes:
        layer, kind = _layer_and_kind(name)
        together.setdefault(layer, []).append((kind, name))
    layers = []
    for layer, members in together.items():
        kinds = dict(members)
        flat = all(len(shapes[name]) == 1 for _, name in members)
        if flat and set(kinds) >= {'kernel', 'bias'}:  # PyTorch's words for them
            kinds.update(scale=kinds.pop('kernel'), offset=kinds.pop('bias'))
        whole = None not in kinds and len(kinds) == len(members)
        layers += [Layer(layer, kinds)] if whole else _in_a_row(layer, [name for _, name in members], shapes)
    return layers


def _layer_and_kind(name):
    """('conv0', 'kernel') for conv0/weights; a name without such a word has the kind None."""
    match = LAST_WORD.match(name.split(':')[0])
    if match is None:
        return re.sub(r'[/._]?\d+$', '', name), None
    kind = next(kind for kind in WORDS if match.group(kind))
    return match.group('layer') + (match.group('number') or ''), kind


def _in_a_row(layer, names, shapes):
    """[Layer] of arrays that follow each other: a kernel, then biases if any, then batch norm if any."""
    layers, vectors = [], []
    for name in names + [None]:
        if name is not None and len(shapes[name]) == 1:
            vectors.append(name)
            continue
        if len(vectors) in (1, 5) and layers:
            layers[-1].arrays['bias'] = vectors.pop(0)
        if vectors:
            layers.append(Layer(layer, dict(zip(BATCH_NORM, vectors))))
        vectors = []
        if name is not None:
            layers.append(Layer(layer, {'kernel': name}))
    return layers
