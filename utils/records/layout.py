"""Where every file of a run is: the inputs and outputs of a job, and the folders of a table."""
import os
import re
from contextlib import suppress
from typing import Dict, List, NamedTuple

from nets import PAIRS
from teachers.formats import teacher_file
from utils.files import RunError, read_bytes
from utils.settings.methods import METHODS


def impressions_file(folder, rate):
    """Path of the impressions of a rate that a folder holds."""
    return os.path.join(folder, 'DI-%g.mat' % rate)


def given_impressions(place, rate):
    """Path of ``--impressions``: a file where it ends in .mat, else the folder of the file of that rate."""
    return place if place.lower().endswith('.mat') else impressions_file(place, rate)


def unseen_files(impressions, train_dir, kind):
    """Paths of the unseen impressions of a kind, and of their checkpoint.

    Students without data are evaluated on them. They are beside the impressions to learn from; where nobody
    may write there, in the student's own folder.
    """
    folder = os.path.dirname(impressions) or '.'
    path = os.path.join(folder if os.access(folder, os.W_OK) else train_dir, 'unseen-%s' % kind)
    return path + '.npz', path + '-checkpoint.npz'


def weights_file(train_dir):
    """The final weights of a training."""
    return os.path.join(train_dir, 'train_params.mat')


class Files(NamedTuple):
    """What a job reads and writes."""
    inputs: Dict[str, str]  # {dataset, teacher, impressions, nets: its path, or the name of a known data set}
    outputs: List[str]      # the impressions; of a training the final weights, and those that evaluated best
    checkpoint: str         # there while it runs
    record: str             # written last


def training_files(settings):
    method, folder = METHODS[settings.method], settings.train_dir
    inputs = dict(dataset=None if settings.dataset == 'none' else settings.dataset,
                  teacher=teacher_file(settings.teacher) if method.has_teacher else None,
                  impressions=(given_impressions(settings.impressions, settings.rate)
                               if method.from_impressions else None),
                  nets=own_pair(settings.nets))
    return Files(_without_none(inputs), [weights_file(folder), os.path.join(folder, 'best_params.mat')],
                 os.path.join(folder, 'checkpoint.npz'), os.path.join(folder, 'result.json'))


def synthesis_files(settings):
    path = impressions_file(settings.save_path, settings.Rate)
    inputs = dict(teacher=teacher_file(settings.teacher), nets=own_teacher(settings.nets))
    return Files(_without_none(inputs), [path], os.path.splitext(path)[0] + '-checkpoint.npz',
                 record_of_impressions(path))


def _without_none(paths):
    return {role: path for role, path in paths.items() if path is not None}


def own_pair(nets):
    """The path of the user's own pair of networks; None for a known pair."""
    return None if nets in PAIRS else nets


def own_teacher(nets):
    """The same where impressions may depend on the pair: its file names a teacher or IMAGE_SHAPE."""
    with suppress(RunError):  # what cannot be read is said where the pair is opened
        if nets not in PAIRS and not re.search(rb'\b(teacher|IMAGE_SHAPE)\b|import \*', read_bytes(nets)):
            return None
    return own_pair(nets)


def record_of_impressions(path):
    return os.path.splitext(path)[0] + '.json'


def records_of_weights(path):
    """Where the record of a file of weights may be: beside it under its own name, or of the training."""
    return [os.path.splitext(path)[0] + '.json', os.path.join(os.path.dirname(path), 'result.json')]


def run_folder(root, method, rate, run):
    """The folder of one training of a table."""
    return os.path.join(root, METHODS[method].folder.format(rate=rate, run=run))


def run_impressions(root, source, run):
    """The folder of a run's impressions of a table."""
    return os.path.join(root, source.folder, 'di%d' % run)
