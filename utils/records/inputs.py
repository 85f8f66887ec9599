"""All that a job reads, read once before it computes: networks, data set, teacher, impressions."""
from typing import NamedTuple, Optional

from nets.networks import Pair, find_pair, fitted
from teachers.checks import print_accuracy, warn_of_pixel_scale
from teachers.formats import TeacherOptions
from teachers.trained import TrainedNetwork, open_teacher
from teachers.units import check_last_layer, unit_of
from utils.data.datasets import DataSet, dataset_info, open_dataset
from utils.data.impressions import Impressions, load_impressions
from utils.records.code_digest import digest_of_own
from utils.records.layout import synthesis_files, teacher_file, training_files
from utils.records.origins import check_impressions, check_teacher
from utils.settings.methods import METHODS


class TrainingInputs(NamedTuple):
    """What a training reads."""
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
        teacher = opened_teacher(settings, files, pair)
        digests['teacher'] = teacher.digest
        pair = fitted(pair, teacher.image_shape, teacher.classes)
        if teacher.unit != 1:
            check_last_layer(pair, teacher.classes, teacher.unit)
        if dataset:
            check_teacher(teacher, dataset, settings.holdout, settings.any_teacher)
    elif pair.image_shape is None:
        pair = fitted(pair, dataset.image_shape, dataset.classes)
    if method.from_impressions:
        impressions = load_impressions(files.impressions, pair.image_shape, teacher.classes)
        digests['impressions'] = impressions.digest
        check_impressions(impressions, teacher)
    return TrainingInputs(pair, dataset, teacher, impressions, (teacher or dataset).classes, digests)


def synthesis_inputs(settings):
    """The SynthesisInputs; no image is read. Raises RunError as ``training_inputs`` does."""
    files, digests = synthesis_files(settings), {}
    pair = read_pair(settings.nets, files.nets, digests)
    teacher = opened_teacher(settings, files, pair)
    digests['teacher'] = teacher.digest
    if settings.dataset not in ('mnist', 'none'):  # which a teacher of any data may be given without
        dataset = dataset_info(settings.dataset, settings.data)
        check_teacher(teacher, dataset, 0, settings.any_teacher)
    return SynthesisInputs(fitted(pair, teacher.image_shape, teacher.classes), teacher, digests)


def opened_teacher(settings, files, pair):
    """The teacher of a job, its logits in its own unit. The published recipe knows no unit."""
    teacher = open_teacher(files.teacher, pair, TeacherOptions.of(settings))
    if settings.recipe == 'default':
        teacher.unit = unit_of(teacher, settings.threads, settings.device)
        if teacher.unit != 1:
            print('%r: temperatures are for logits %g times as large' % (teacher.path, teacher.unit))
    return teacher


def check_teacher_file(settings, pair, dataset):
    """Checks a user's own teacher before a table is filled; returns the pair for its images.

    Prints how often it is right about the test images. dataset: None where there is none. Raises RunError
    where the teacher cannot be read, or does not go with the rest.
    """
    teacher = open_teacher(teacher_file(settings.teacher), pair, TeacherOptions.of(settings))
    pair = fitted(pair, teacher.image_shape, teacher.classes)
    warn_of_pixel_scale(teacher, settings.threads, settings.device)
    if dataset:
        check_teacher(teacher, dataset, 0, settings.any_teacher)
        print_accuracy(teacher, *dataset.part('test', pair.image_shape), 'test images', settings.threads,
                       settings.device)
    return pair


def read_pair(name, own_file, digests):
    """The pair of networks; the content of a user's own file is put among the ``digests``."""
    pair = find_pair(name)
    if own_file:
        digests['nets'] = digest_of_own(own_file)
    return pair
