"""What is exported: the network in a file of weights, and the images that its record says it is for."""
from nets import PAIRS
from nets.networks import ROLES, find_pair, variable_shapes
from teachers.trained import TrainedNetwork
from utils.data.datasets import DATASETS, open_dataset
from utils.files import RunError
from utils.matfile import mat_arrays
from utils.records.layout import records_of_weights
from utils.records.records import record_of


def network_of(path, nets=None):
    """(the TrainedNetwork in a file of weights, its record, {} where there is none).

    nets: the name of its pair; None to take that of the record, or else the known pair whose variables it
    holds. A user's own pair is code that would run, so it is never taken from a record. Raises RunError where
    the file holds no such network.
    """
    arrays, digest = mat_arrays(path)
    record = record_of(digest, records_of_weights(path)) or {}
    recorded = text_of(record, 'arguments', 'nets')
    if nets is None and recorded is not None and recorded not in PAIRS:
        raise RunError('%r is of the networks %r, says its record; give their file with --nets'
                       % (path, recorded))
    names = [nets or recorded] if nets or recorded else PAIRS
    found = []
    for pair in map(find_pair, names):
        for role in ROLES:
            last = arrays.get('%s/%s' % (role, pair.last_layer))
            if last is not None and last.ndim == 2:
                variables = set(variable_shapes(pair, role, last.shape[1]))
                if variables <= set(arrays):
                    found.append((len(variables), pair, role))
    if not found:
        raise RunError('%r holds no network of %s; give another file, or its own --nets'
                       % (path, ' or '.join(names)))
    _, pair, role = max(found)  # a pair's variables may be some of another's
    return TrainedNetwork(path, pair, role), record


def images_of(network, record, dataset=None):
    """((H, W, C) of the images that a network is used on, the names of its classes or ()).

    dataset: a known one, a file, 'none' for images of the network's own size, or None to take that of the
    record. Raises RunError where it cannot be read, has changed, or does not go with the network.
    """
    name = dataset or text_of(record, 'arguments', 'dataset') or 'none'
    if name == 'none':
        return network.image_shape, ()
    try:
        known = DATASETS.get(name) or open_dataset(name, folder=None)
        if not dataset and name not in DATASETS and known.digest != text_of(record, 'inputs', 'dataset'):
            raise RunError('the data set %r is not as it was' % name)
    except RunError as error:
        if dataset:
            raise
        raise RunError("%s; %r was trained on it: give its path with --dataset, or --dataset none for images "
                       "of the networks' own size" % (error, network.path)) from error
    if len(known.class_names) != network.classes:
        raise RunError('%r knows %d classes and the data set %s has %d; give its own --dataset'
                       % (network.path, network.classes, name, len(known.class_names)))
    if known.image_shape[2] != network.image_shape[2]:
        raise RunError('%r takes images of %d channels, those of the data set %s have %d; give its own '
                       '--dataset' % (network.path, network.image_shape[2], name, known.image_shape[2]))
    return known.image_shape, known.class_names


def text_of(record, part, name):
    """A text in a part of a record; None where it is not there, as records can be edited."""
    values = record.get(part)
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, str) else None
