"""Every hyper-parameter: its name, type, range and meaning. The values are in utils/settings/recipes.py.

Flags, --help and the documented tables follow from these rows. Priors are in nets/priors.py.
"""
import math
from typing import NamedTuple

SCHEDULES = 'cosine', 'warmup', 'constant'
LARGEST_BATCH = 60000
LONGEST = 10 ** 8  # steps or iterations


class HyperParameter(NamedTuple):
    """One row of the table."""
    name: str
    kind: type              # int, float, or str for one of ``choices``
    meaning: str
    low: float = 0
    above: bool = False     # ``low`` itself is not allowed
    high: float = math.inf
    choices: tuple = ()
    several: bool = False   # a list of such values
    off: object = None      # the value that switches it off; records without its name had this value


def _table(*rows):
    return {row.name: row for row in rows}


AUGMENTATION = _table(
    HyperParameter('copies', int, '--augment: affine copies of every image', low=1, high=1000),
    HyperParameter('rotation', float, '--augment: maximum rotation in degrees', high=180),
    HyperParameter('scale', float, '--augment: maximum change of scale, as a fraction', high=0.9),
    HyperParameter('shift', float, '--augment: maximum shift in pixels', high=31),
    HyperParameter('mirror', int, "--augment: 1 flips half of each image's copies sideways", high=1, off=0),
    HyperParameter('cutmix', float, '--augment: fraction of the copies that get a rectangle of another '
                                    'copy (CutMix)', high=1, off=0),
    HyperParameter('fmix', float, '--augment: fraction of the other copies that get a region of another copy '
                                  'with a smooth outline (FMix)', high=1, off=0),
)
TRAINING = dict(_table(
    HyperParameter('steps', int, 'optimiser steps', low=1, high=LONGEST),
    HyperParameter('batch_size', int, 'images per step', low=1, high=LARGEST_BATCH),
    HyperParameter('learning_rate', float, "Adam's highest learning rate", above=True),
    HyperParameter('schedule', str, 'learning rate over the steps: cosine (decay to 0), warmup (the same '
                                    'after a rise over the first tenth) or constant', choices=SCHEDULES),
    HyperParameter('weight_decay', float, 'factor of ||weights||^2 / 2'),
    HyperParameter('ce_weight', float, 'factor of the cross entropy with the labels'),
    HyperParameter('kl_weight', float, 'factor of T^2 KL(teacher || student)'),
    HyperParameter('temperature', float, 'T of the distillation loss', above=True),
), **AUGMENTATION)
SYNTHESIS = _table(
    HyperParameter('iterations', int, 'Adam steps per impression', low=1, high=LONGEST),
    HyperParameter('learning_rate', float, "Adam's highest learning rate", above=True),
    HyperParameter('schedule', str, 'learning rate over the iterations', choices=SCHEDULES),
    HyperParameter('beta2', float, "Adam's beta2", high=0.999999),
    HyperParameter('epsilon', float, "Adam's epsilon", above=True),
    HyperParameter('temperature', float, "T of the teacher's softmax", above=True),
    HyperParameter('betas', float, 'Dirichlet scales, each for an equal part of the impressions; of more '
                                   'than ten classes, times 10 / their number', low=1e-4, high=1e6,
                   several=True),
    HyperParameter('batch_size', int, 'impressions at a time; changes them only with --start_grey or '
                                    '--batch_norm', low=1, high=LARGEST_BATCH),
    HyperParameter('start_blur', float, 'blur of the starting noise: standard deviation of a Gaussian in '
                                        'pixels; 0: white noise', high=32, off=0),
    HyperParameter('start_grey', float, 'correlation between the channels of the starting noise', high=1,
                   off=0),
    HyperParameter('start_deviation', float, 'standard deviation of the starting noise', above=True, off=1),
    HyperParameter('ground', float, 'background level: mean of the start, and padding value; 0: black, '
                                    '1: white', high=1, off=0),
    HyperParameter('jitter', int, 'maximum random shift in pixels, drawn again in every iteration', high=31,
                   off=0),
    HyperParameter('batch_norm', float, "factor of the distance from the statistics in the teacher's batch "
                                        'norm, per impression', off=0),
    HyperParameter('l2', float, 'factor of ||x||^2 / 2, per impression', off=0),
    HyperParameter('total_variation', float, 'factor of the total variation, per impression', off=0),
)

# {setting: the value of records that do not name it}
OFF = {name: row.off for name, row in {**TRAINING, **SYNTHESIS}.items() if row.off is not None}
OFF['device'] = 'cpu'
