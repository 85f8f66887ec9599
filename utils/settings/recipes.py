"""The value of every hyper-parameter, per recipe, pair, method and number of images.

``default`` is this project's own recipe (docs/studies.md says how its values were chosen). ``published`` is
that of sseung0703's implementation. A flag on the command line overrides its recipe. hyper_parameters.py says
what each hyper-parameter means.
"""
import math
from typing import Dict, NamedTuple

from teachers.kind import TeacherKind
from utils.data.datasets import NOMINAL
from utils.files import FlagError
from utils.settings import hyper_parameters
from utils.settings.methods import METHODS, why_without_effect

RATES = [1, 5, 10, 25, 40]  # of the published table
TEMPERATURE = 20.0      # of the distillation loss
PLAIN_KL = 1 / TEMPERATURE ** 2  # the kl_weight that makes T^2 KL the plain KL
AFFINE = dict(rotation=15.0, scale=0.15, shift=3.0, mirror=0, cutmix=0.0, fmix=0.0)  # degrees, part, pixels
LABELS = dict(batch_size=128, schedule='cosine', ce_weight=1.0, kl_weight=0.0)  # of what learns labels
ANSWERS = dict(LABELS, ce_weight=0.0, kl_weight=1.0)  # of what learns a teacher's answers
SLIGHT = dict(rotation=5.0, scale=0.05, shift=1.0)  # the same, for a network that learns labels
COLOUR = dict(start_grey=0.9, start_deviation=0.25, ground=0.5, batch_norm=1.0)  # of impressions in colour
FOREIGN_BATCH_NORM = {1: 0.0, 3: 1.0}  # by channels, for a teacher that is a graph of its own
FOREIGN_ITERATIONS = 200  # for such a teacher, whose impressions cost twice as much
FOREIGN_MIX = dict(cutmix=0.5, fmix=1.0)  # for an augmented student of such a grey teacher,
FOREIGN_LENGTH = 2  # with so many times the copies and the steps
LARGEST_SET = 1 << 32  # bytes of an augmented set for it, which is all in memory
OWN_GREY, FOREIGN_GREY = TeacherKind(), TeacherKind(foreign=True)


class Recipe(NamedTuple):
    """The values for one pair."""
    training: Dict[str, dict]   # by method, for NOMINAL images; ``training`` below fits them to fewer
    synthesis: dict
    augmentation: dict = {}     # of affine copies, where a method has no values of its own; may be empty
    augmented_set: int = 100000  # images that affine copies bring an augmented set to
    shrinks_batches: bool = False  # for ZSKD on few impressions, which get fewer steps otherwise


LENET = Recipe(
    # Without warm-up some filters of conv1 die in ZSKD, with copies or without: no impression makes them
    # answer, and weight decay does the rest.
    {
        'Teacher': dict(LABELS, steps=10000, learning_rate=2e-3, weight_decay=1e-3),
        'Student': dict(LABELS, steps=8000, learning_rate=4e-3, weight_decay=5e-4),
        'Soft_logits': dict(ANSWERS, steps=10000, learning_rate=1e-2, weight_decay=1e-2),
        'Teacher_augment': dict(LABELS, steps=24000, learning_rate=2e-3, weight_decay=1e-3, **SLIGHT),
        'Student_augment': dict(LABELS, steps=24000, learning_rate=4e-3, weight_decay=5e-4, **SLIGHT),
        'Soft_logits_augment': dict(ANSWERS, steps=16000, learning_rate=1e-2, weight_decay=1e-3),
        'ZSKD': dict(ANSWERS, steps=5000, batch_size=512, learning_rate=1e-2, schedule='warmup',
                     weight_decay=8e-4),
        'ZSKD_augment': dict(ANSWERS, steps=20000, learning_rate=1e-2, schedule='warmup', weight_decay=1e-3),
    },
    dict(iterations=100, learning_rate=0.1, schedule='cosine', beta2=0.9, epsilon=1e-8, temperature=10.0,
         start_blur=3.0, total_variation=1e-3, jitter=3, betas=[0.1, 1.0], batch_size=128),
    AFFINE, shrinks_batches=True)
ALEXNET_TEACHER = dict(LABELS, steps=5600, learning_rate=1.5e-3, schedule='warmup', weight_decay=3e-4)
ALEXNET_STUDENT = dict(LABELS, steps=8400, learning_rate=2e-3, schedule='warmup', weight_decay=1e-4)
ALEXNET_DISTILLED = dict(ALEXNET_STUDENT, ce_weight=0.0, kl_weight=1.0)
ALEXNET = Recipe(
    # Iterations and steps of ZSKD with copies are for accuracy: hours on two cores. --budget takes fewer.
    {
        'Teacher': ALEXNET_TEACHER, 'Teacher_augment': ALEXNET_TEACHER,
        'Student': ALEXNET_STUDENT, 'Student_augment': ALEXNET_STUDENT,
        'Soft_logits': ALEXNET_DISTILLED, 'Soft_logits_augment': ALEXNET_DISTILLED,
        'ZSKD': dict(ALEXNET_DISTILLED, steps=3000), 'ZSKD_augment': dict(ALEXNET_DISTILLED, steps=23400),
    },
    dict(LENET.synthesis, iterations=200, **COLOUR),
    dict(rotation=0.0, scale=0.15, shift=3.0, mirror=1, cutmix=0.5, fmix=0.0), augmented_set=300000)
PUBLISHED_STUDENT = dict(epochs=2000, batch_size=512, learning_rate=1e-2, schedule='constant',
                         weight_decay=1e-4, ce_weight=1.0, kl_weight=0.0)
PUBLISHED = Recipe(
    {
        'Teacher': dict(PUBLISHED_STUDENT, epochs=200, learning_rate=1e-3), 'Student': PUBLISHED_STUDENT,
        'Soft_logits': dict(PUBLISHED_STUDENT, ce_weight=0.3, kl_weight=PLAIN_KL),
        'ZSKD': dict(PUBLISHED_STUDENT, ce_weight=0.0, kl_weight=PLAIN_KL),
    },
    dict(iterations=1500, learning_rate=None, schedule='constant', beta2=0.999, epsilon=None,
         temperature=20.0, l2=1e-3, betas=[0.1, 1.0], batch_size=100))
# (impressions, Adam's learning rate), published for 600, 3000, 6000, 12000 and 24000 impressions. Other
# numbers take the next smaller one's.
PUBLISHED_LEARNING_RATES = [(0, 0.1), (6000, 1.0), (12000, 2.0), (24000, 3.0)]
# A pair without values of its own takes the default ones of lenet; the published ones are lenet's alone.
RECIPES = {'default': {'lenet': LENET, 'alexnet': ALEXNET}, 'published': {'lenet': PUBLISHED}}


def recipe_for(recipe, nets='lenet'):
    """The Recipe of that name for a pair. Raises FlagError where nothing was published for the pair."""
    if recipe == 'published' and nets not in RECIPES[recipe]:
        raise FlagError('the published recipe is of lenet, not of %s; use --recipe default' % nets)
    return RECIPES[recipe].get(nets, RECIPES[recipe]['lenet'])


def training(recipe, name, items, nets='lenet', kind=OWN_GREY):
    """{hyper-parameter: value} to train the method of that name.

    items: the number of images, before any copies; kind: the TeacherKind. Raises FlagError where the recipe
    has no such method.
    """
    found, method, row = recipe_for(recipe, nets), METHODS[name], name
    if row not in found.training and method.from_impressions:  # a column of other impressions
        row = 'ZSKD_augment' if method.augment else 'ZSKD'
    if row not in found.training:
        raise FlagError('the %s recipe has no %s; use --recipe default' % (recipe, method.label))
    values = dict(found.training[row])
    share = items / NOMINAL
    if 'epochs' in values:
        values = dict(steps=items * values.pop('epochs') // values['batch_size'] + 1, **values)
    elif method.from_impressions and not method.augment and found.shrinks_batches:
        # Few impressions do better with as many steps of smaller batches and with more weight decay.
        # Otherwise the student over-fits.
        values.update(batch_size=max(8, round(values['batch_size'] * share ** 0.75)),
                      weight_decay=values['weight_decay'] / share ** 0.75)
    else:
        # A smaller set needs fewer steps, though not in proportion.
        values['steps'] = int(values['steps'] * (0.25 + 0.75 * math.sqrt(share)))
    if method.has_teacher:
        values['temperature'] = TEMPERATURE
    if method.augment:
        copies = max(4, min(100, round(found.augmented_set / items)))
        # Copies suit the images, not the network.
        augmentation = ALEXNET.augmentation if kind.channels == 3 else found.augmentation
        if kind.foreign and kind.channels == 1 and method.from_impressions:
            augmentation = dict(augmentation, **FOREIGN_MIX)
            copies, values['steps'] = FOREIGN_LENGTH * copies, FOREIGN_LENGTH * values['steps']
        if kind.values and method.has_teacher:  # a student alone knows of no teacher, in a table neither
            copies = max(1, min(copies, LARGEST_SET // (items * kind.values) - 1))
        for flag, value in dict(copies=copies, **augmentation).items():
            if not why_without_effect(flag, method):
                values.setdefault(flag, value)
    return {name: values[name] for name in hyper_parameters.TRAINING if name in values}


def synthesis(recipe, items, nets='lenet', kind=OWN_GREY):
    """{hyper-parameter: value} to synthesise ``items`` impressions; off where the recipe has none.

    kind: the TeacherKind.
    """
    given = recipe_for(recipe, nets).synthesis
    if recipe == 'default' and kind.channels == 3:
        given = dict(given, **COLOUR)
    if recipe == 'default' and kind.foreign:
        given = dict(given, batch_norm=FOREIGN_BATCH_NORM[kind.channels], iterations=FOREIGN_ITERATIONS)
    values = {name: given[name] if name in given else row.kind(row.off)
              for name, row in hyper_parameters.SYNTHESIS.items()}
    if recipe == 'published':
        values['learning_rate'] = [value for least, value in PUBLISHED_LEARNING_RATES if items >= least][-1]
        # The published loss is a mean over a batch of 10 or 100, ours a sum: dividing Adam's gradient by that
        # number is the same as multiplying its epsilon of 1e-8 by it. Otherwise the batch does not matter.
        values['epsilon'] = 1e-7 if items < 6000 else 1e-6
    return values
