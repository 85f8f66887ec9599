"""Where every file of a run is: the inputs and outputs of a job, and the folders of a table."""
import os
from typing import NamedTuple

from utils.methods import METHODS

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def teacher_file(teacher):
    """Path of ``--teacher``: a name in the repository's pre_trained/, or a path that ends in .mat."""
    return teacher if teacher.endswith('.mat') else os.path.join(REPOSITORY, 'pre_trained', teacher + '.mat')


def impressions_file(folder, rate):
    return os.path.join(folder, 'DI-%g.mat' % rate)


def weights_files(train_dir):
    """The final weights, and those that did best on the evaluation images."""
    return [os.path.join(train_dir, name) for name in ('train_params.mat', 'best_params.mat')]


class Files(NamedTuple):
    """What a job reads and writes."""
    inputs: dict    # {role: path, or name of a known data set}
    outputs: list   # of paths
    result: str     # path of its record, written last


def training_files(settings):
    """The Files of a training."""
    method, inputs = METHODS[settings.method], {}
    if settings.dataset != 'none':
        inputs['dataset'] = settings.dataset
    if method.has_teacher:
        inputs['teacher'] = teacher_file(settings.teacher)
    if method.from_impressions:
        inputs['impressions'] = impressions_file(settings.impressions, settings.rate)
    return Files(inputs, weights_files(settings.train_dir), os.path.join(settings.train_dir, 'result.json'))


def synthesis_files(settings):
    """The Files of a synthesis of impressions."""
    return Files({'teacher': teacher_file(settings.teacher)}, [impressions_file(settings.save_path, settings.Rate)],
                 os.path.join(settings.save_path, 'DI-%g.json' % settings.Rate))


def run_folder(root, method, rate, run):
    """The folder of one training of a table."""
    return os.path.join(root, METHODS[method].folder.format(rate=rate, run=run))


def run_teacher(root, run):
    return weights_files(run_folder(root, 'Teacher', 100, run))[0]


def run_impressions(root, run):
    return os.path.join(root, 'DI', 'di%d' % run)
