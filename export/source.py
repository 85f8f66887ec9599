"""What is exported: the network in a file of any format, and the images that its record says it is for."""
import itertools
import os

from nets import PAIRS
from nets.networks import ROLES, classes_among, find_pair, variable_shapes
from teachers.formats import digest_of
from teachers.trained import AS_READ, NO_GRAPH, TrainedNetwork, open_teacher
from teachers.weights import has_graph, read_weights
from utils.data.datasets import DATASETS, open_dataset
from utils.files import RunError
from utils.records.code_digest import digest_of_own
from utils.records.layout import own_pair, records_of_weights
from utils.records.origins import record_of


def network_of(path, nets=None, options=AS_READ, image_shape=None):
    """(the network in a file of any format of teachers/formats.py, its record, {} where there is none).

    It is a TrainedNetwork where the weights are a pair's: the pair ``nets``, or that of the record, else a
    known one; weights of other names are recognised by order and shape. Of a file with another graph it is a
    ForeignNetwork. options: a TeacherOptions. A user's own pair is code that would run, so it is never taken
    from a record. The images are of the shape in the record. Where it has none, they are the pair's, or of
    ``image_shape`` if the variables are for that. Raises RunError where the file holds no such network.
    """
    digest = digest_of(path)
    record = record_of(digest, records_of_weights(path)) or {}
    if own_pair(nets) and os.path.exists(nets) and text_of(record, 'inputs', 'nets') not in (
            None, digest_of_own(nets)):
        print('warning: %r is not as it was when %r was trained; the network may answer otherwise'
              % (nets, path))
    recorded = text_of(record, 'arguments', 'nets')
    if nets is None and recorded is not None and recorded not in PAIRS:
        raise RunError('%r is of the networks %r, says its record; give their file with --nets'
                       % (path, recorded))
    names = [nets or recorded] if nets or recorded else PAIRS
    pairs = [pair._replace(image_shape=shape) for pair in map(find_pair, names)
             for shape in shape_of(record) or [pair.image_shape, image_shape] if shape]
    if has_graph(path):
        return open_teacher(path, pairs[0] if pairs else find_pair(names[0]), options), record
    if options.input or options.logits:
        raise RunError(NO_GRAPH % path)
    arrays = read_weights(path)
    if not pairs:
        raise RunError('%r has no IMAGE_SHAPE, and nothing else says how large images are; put it into the '
                       'file' % names[0])
    found = by_names(arrays, pairs)
    if found and found[0][1] == 'Student' and options != AS_READ:
        raise RunError('%r is a student and takes pixels from 0 to 1; leave out the --teacher_... flags'
                       % path)
    for pair, role in found or itertools.product(pairs, ROLES):
        try:
            return TrainedNetwork(path, pair, role, options), record
        except (RunError, ValueError):  # ValueError: too few pixels for a known pair
            if found:
                raise
    raise RunError('%r holds no network of %s; give another file, or its own --nets or --dataset%s'
                   % (path, ' or '.join(names), '' if record else ', or put its record (.json) beside it'))


def student_of(path, nets, teacher):
    """The network of ``network_of`` in a file; RunError where its record names another teacher."""
    network, record = network_of(path, nets, image_shape=teacher.image_shape)
    if text_of(record, 'inputs', 'teacher') not in (None, teacher.digest):
        raise RunError('%r learned from another teacher than %r; give its own --teacher'
                       % (path, teacher.path))
    return network


def by_names(arrays, pairs):
    """[(pair, role)] of the network whose variables are among {name: array}; [] where there is none.

    A pair's variables may be some of another's. Then it is the pair with more of them.
    """
    found = [(pair, role, classes_among(arrays, pair, role)) for pair in pairs for role in ROLES]
    found = [each for each in found if each[2]]
    return [max(found, key=lambda each: len(variable_shapes(*each)))[:2]] if found else []


def shape_of(record):
    """[(H, W, C) of the images in a record]; [] where it does not say, as records can be edited."""
    shape = record.get('image_shape')
    whole = isinstance(shape, list) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)
    return [tuple(shape)] if whole else []


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
    value = record.get(part, {}).get(name)
    return value if isinstance(value, str) else None
