"""All that a job reads, read once before it computes: networks, data set, teacher, impressions."""
import os
from typing import NamedTuple, Optional

import numpy as np

from nets.networks import Pair, find_pair, fitted, variable_shapes
from teachers.checks import print_accuracy, warn_of_pixel_scale
from teachers.formats import TeacherOptions, teacher_file
from teachers.trained import TrainedNetwork, open_teacher
from teachers.units import check_last_layer, unit_of
from utils.data.datasets import DataSet, count, dataset_info, nominal, open_dataset
from utils.data.impressions import Impressions, load_impressions
from utils.files import RunError
from utils.images import by_x
from utils.records.code_digest import digest_of_own
from utils.records.layout import synthesis_files, training_files
from utils.records.origins import check_impressions, check_network
from utils.settings.methods import METHODS


class Inputs(NamedTuple):
    """What a job reads. A synthesis has no data set and no impressions here."""
    pair: Pair          # for the images of the teacher, or of the data set where there is none
    dataset: Optional[DataSet]
    teacher: Optional[TrainedNetwork]
    impressions: Optional[Impressions]
    classes: int
    digests: dict       # {role: SHA-256 of what was read}

    @property
    def unit(self):
        """How many times as large a student's logits become in the end."""
        return self.teacher.unit if self.teacher else 1.0


def training_inputs(settings):
    """The Inputs of a training. Raises RunError where one cannot be read, or does not go with the rest."""
    files, method = training_files(settings), METHODS[settings.method]
    for path in files.outputs:
        if any(os.path.realpath(path) == os.path.realpath(other) for other in files.inputs.values()):
            raise RunError('%r would be replaced by the network that learns from it; choose another '
                           '--train_dir' % path)
    pair, digests = read_pair(settings.nets, files)
    dataset = teacher = impressions = None
    if 'dataset' in files.inputs:
        dataset = open_dataset(settings.dataset, settings.data)
        digests['dataset'] = dataset.digest
    if method.has_teacher:
        teacher = opened_teacher(settings, files, pair)
        digests['teacher'] = teacher.digest
        pair = student_pair(pair, teacher)
        if teacher.unit != 1:
            check_last_layer(pair, teacher.classes, teacher.unit)
        if dataset:
            check_network(teacher, dataset, settings.any_teacher, settings.holdout)
    elif pair.image_shape is None:
        pair = fitted(pair, dataset.image_shape, dataset.classes)
    if method.from_impressions:
        impressions = load_impressions(files.inputs['impressions'], pair.image_shape, teacher.classes)
        digests['impressions'] = impressions.digest
        check_impressions(impressions, teacher)
        expected = count(settings.rate, nominal(settings.dataset))
        if len(impressions.images) != expected:
            print('%r holds %d impressions; the values of rate %g are for %d'
                  % (impressions.path, len(impressions.images), settings.rate, expected))
    return Inputs(pair, dataset, teacher, impressions, (teacher or dataset).classes, digests)


def synthesis_inputs(settings):
    """The Inputs of a synthesis. Raises RunError as ``training_inputs`` does."""
    files = synthesis_files(settings)
    pair, digests = read_pair(settings.nets, files)
    teacher = opened_teacher(settings, files, pair)
    digests['teacher'] = teacher.digest
    if settings.dataset not in ('mnist', 'none'):  # which a teacher of any data may be given without
        dataset = dataset_info(settings.dataset, settings.data)
        check_network(teacher, dataset, settings.any_teacher)
    pair = student_pair(pair, teacher)
    return Inputs(pair, None, teacher, None, teacher.classes, digests)


def opened_teacher(settings, files, pair):
    """The teacher of a job, its logits in its own unit. The published recipe knows no unit."""
    teacher = open_teacher(files.inputs['teacher'], pair, TeacherOptions.of(settings))
    if settings.recipe == 'default':
        teacher.unit = unit_of(teacher, settings.threads, settings.device)
        if teacher.unit != 1:
            print('%r: temperatures are for logits %g times as large' % (teacher.path, teacher.unit))
    return teacher


def student_pair(pair, teacher):
    """The pair with a student for a teacher's images; a line says how a network of its own was read.

    Raises RunError where the student cannot be built for them.
    """
    pair = fitted(pair, teacher.image_shape, teacher.classes)
    if teacher.pair is None:
        size = sum(map(np.prod, variable_shapes(pair, 'Student', teacher.classes).values()))
        print('%r: %s, images %s, %d classes; the student of %s: %d weights'
              % (teacher.path, teacher.description, by_x(teacher.image_shape), teacher.classes, pair.name,
                 size))
        if size >= teacher.weights:
            print('the student is no smaller than its teacher; give --nets a file with a smaller one, or the '
                  'teacher itself to convert.py')
    return pair


def check_teacher_file(settings, pair, dataset, device):
    """Checks a user's own teacher before a table is filled; returns the pair for its images.

    Prints how often it is right about the test images. dataset: None where there is none. Raises RunError
    where the teacher cannot be read, or does not go with the rest.
    """
    teacher = open_teacher(teacher_file(settings.teacher), pair, TeacherOptions.of(settings))
    pair = student_pair(pair, teacher)
    warn_of_pixel_scale(teacher, settings.threads, device)
    if dataset:
        check_network(teacher, dataset, settings.any_teacher)
        print_accuracy(teacher, *dataset.part('test', pair.image_shape), 'test images', settings.threads,
                       device)
    return pair


def read_pair(name, files):
    """(the pair of networks, {'nets': its digest} of a user's own file, else {})."""
    return find_pair(name), {'nets': digest_of_own(name)} if 'nets' in files.inputs else {}
