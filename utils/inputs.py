"""All that a job reads, read once before it computes: networks, data set, teacher, impressions."""
from typing import NamedTuple, Optional

import numpy as np

from nets import Pair, find_pair
from utils.datasets import DataSet, open_dataset
from utils.files import RunError, sha256
from utils.impressions import Impressions, load_impressions
from utils.layout import synthesis_files, teacher_file, training_files
from utils.methods import METHODS
from utils.own_data import by_x
from utils.records import check_impressions, check_teacher
from utils.teacher_files import Reading
from utils.trained import TrainedNetwork, open_teacher

LOOKED_AT = 1000  # images on which a teacher is looked at before hours are spent


class TrainingInputs(NamedTuple):
    """What a training reads."""
    pair: Pair
    dataset: Optional[DataSet]
    teacher: Optional[TrainedNetwork]
    impressions: Optional[Impressions]
    classes: int
    digests: dict       # {role: SHA-256 of what was read}


class SynthesisInputs(NamedTuple):
    """What a synthesis of impressions reads."""
    pair: Pair
    teacher: TrainedNetwork
    digests: dict


def training_inputs(settings):
    """The TrainingInputs. Raises RunError where something cannot be read, or does not go with the rest."""
    files, method, digests = training_files(settings), METHODS[settings.method], {}
    pair = read_pair(settings.nets, files.nets, digests)
    dataset = teacher = impressions = None
    if files.dataset:
        dataset = open_dataset(settings.dataset, settings.data)
        digests['dataset'] = dataset.digest
    if method.has_teacher:
        teacher = open_teacher(files.teacher, pair, Reading.of(settings))
        digests['teacher'] = teacher.digest
        check_shapes(teacher, pair)
        if dataset:
            check_classes(teacher, dataset)
            check_teacher(teacher, dataset, settings.holdout, settings.any_teacher)
    if method.from_impressions:
        impressions = load_impressions(files.impressions, pair.image_shape, teacher.classes)
        digests['impressions'] = impressions.digest
        check_impressions(impressions, teacher)
    return TrainingInputs(pair, dataset, teacher, impressions, (teacher or dataset).classes, digests)


def synthesis_inputs(settings):
    """The SynthesisInputs. Raises RunError where something cannot be read."""
    files, digests = synthesis_files(settings), {}
    pair = read_pair(settings.nets, files.nets, digests)
    teacher = open_teacher(files.teacher, pair, Reading.of(settings))
    digests['teacher'] = teacher.digest
    return SynthesisInputs(pair, teacher, digests)


def look_at_teacher(settings, pair, dataset):
    """Opens a user's own teacher before a table is filled, and prints how often it is right about the test images.

    dataset: None where there is none. Raises RunError where it cannot be read, or does not go with the rest.
    """
    teacher = open_teacher(teacher_file(settings.teacher), pair, Reading.of(settings))
    check_shapes(teacher, pair)
    if dataset:
        check_classes(teacher, dataset)
        check_teacher(teacher, dataset, 0, settings.any_teacher)
        say_accuracy(teacher, *dataset.part('test', pair.image_shape), 'test images', settings.threads)


def say_accuracy(teacher, images, labels, name, threads):
    """Prints how often a teacher is right about LOOKED_AT of the images, and a warning where that is near chance.

    images uint8 [N, H, W, C] in 0..255, labels [N]; name: what the images are.
    """
    some = np.linspace(0, len(images) - 1, min(LOOKED_AT, len(images))).astype(int)
    accuracy = np.mean(teacher.answers(images[some], threads).argmax(axis=1) == labels[some])
    print('the teacher %r is right about %.1f %% of %d %s' % (teacher.path, 100 * accuracy, len(some), name))
    if accuracy < near_chance(teacher.classes):
        print('warning: that is near chance; was it trained on other data or with its classes in another order, is '
              '--teacher_scale right, and is its first dense layer for images flattened as height, width, channel?')


def near_chance(classes):
    """The share of right answers below which a network may know nothing: half more than chance, or a tenth of all."""
    return min(1.5 / classes, 1 / classes + 0.1)


def read_pair(name, own_file, digests):
    """The pair of networks; the content of a user's own file is put among the ``digests``."""
    pair = find_pair(name)
    if own_file:
        digests['nets'] = sha256(own_file)
    return pair


def check_shapes(teacher, pair):
    if teacher.image_shape != pair.image_shape:
        raise RunError('the teacher %r takes images of %s and the student of the networks %r images of %s; give --nets '
                       'a pair whose IMAGE_SHAPE is %d, %d, %d'
                       % ((teacher.path, by_x(teacher.image_shape), pair.name, by_x(pair.image_shape))
                          + teacher.image_shape))


def check_classes(teacher, dataset):
    if teacher.classes != dataset.classes:
        raise RunError('the teacher %r knows %d classes and the data set %s has %d; give a teacher of its classes, or '
                       'put class_names for all of them into the data set'
                       % (teacher.path, teacher.classes, dataset.name, dataset.classes))
