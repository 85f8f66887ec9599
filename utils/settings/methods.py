"""The methods, a column of the table each. Their numbers are in utils/settings/recipes.py."""
from typing import Dict, NamedTuple, Optional

from teachers.formats import FLAGS
from utils.files import FlagError
from utils.settings import hyper_parameters


class Source(NamedTuple):
    """The source of the images that a network learns from."""
    distillation: str                    # the word of --Distillation for it
    has_teacher: bool                    # a teacher's answers are learnt, not labels
    folder: Optional[str] = None         # of impressions, below the table's; None: images of the data set
    synthesis: Dict[str, object] = {}    # flags with which these impressions are made


ALL = Source('None', False)
SAMPLE = Source('Soft_logits', True)
IMPRESSIONS = Source('ZSKD', True, 'DI')


class Method(NamedTuple):
    """One column of the table."""
    name: str           # in result files
    label: str          # in tables and pictures
    role: str           # --main_scope: the network that is trained
    source: Source      # what it learns from
    augment: bool       # affine copies are added
    folder: str         # of a run, below the table's folder
    colour: str         # in pictures

    @property
    def has_teacher(self):
        return self.source.has_teacher

    @property
    def from_impressions(self):
        return self.source.folder is not None


METHODS = {method.name: method for method in (
    Method('Teacher', 'Teacher', 'Teacher', ALL, False, 'Teacher/tch{run}', 'black'),
    Method('Teacher_augment', 'Teacher + augmentation', 'Teacher', ALL, True, 'Teacher_augment/tcha{run}',
           'dimgray'),
    Method('Student', 'Student', 'Student', ALL, False, 'Student/std{run}', 'gray'),
    Method('Student_augment', 'Student + augmentation', 'Student', ALL, True, 'Student_augment/stda{run}',
           'darkgray'),
    Method('Soft_logits', 'Soft-logits', 'Student', SAMPLE, False, 'Soft_logits{rate:g}/sl{rate:g}_{run}',
           'tab:red'),
    Method('Soft_logits_augment', 'Soft-logits + augmentation', 'Student', SAMPLE, True,
           'Soft_logits_augment{rate:g}/sla{rate:g}_{run}', 'tab:orange'),
    Method('ZSKD', 'ZSKD', 'Student', IMPRESSIONS, False, 'ZSKD{rate:g}/zskd{rate:g}_{run}', 'tab:blue'),
    Method('ZSKD_augment', 'ZSKD + augmentation', 'Student', IMPRESSIONS, True,
           'ZSKD_augment{rate:g}/zskda{rate:g}_{run}', 'tab:green'),
)}
DISTILLATIONS = list(dict.fromkeys(method.source.distillation for method in METHODS.values()
                                   if method.has_teacher))
# The columns of a table, unless others are asked for.
TABLE = ['Teacher', 'Student', 'Soft_logits', 'ZSKD', 'ZSKD_augment']


def teaching(names):
    """The first method of these columns that trains a teacher: the students of a table learn from it.

    None where there is none.
    """
    return next((name for name in METHODS if name in names and METHODS[name].role == 'Teacher'), None)


def method_for(role, distillation, augment):
    """The method with these settings; raises FlagError where there is none."""
    for method in METHODS.values():
        if (method.role, method.source.distillation, method.augment) == (role, distillation, augment):
            return method
    raise FlagError('--main_scope Teacher goes with --Distillation None: it learns from labels')


def why_without_effect(flag, method):
    """Why a flag of a training does nothing for a method, in words; '' where it does something."""
    if flag in hyper_parameters.AUGMENTATION and not method.augment:
        return 'without --augment'
    if flag in ('cutmix', 'fmix', 'temperature', 'teacher', 'any_teacher', *FLAGS) and not method.has_teacher:
        return 'without a teacher; use --Distillation'
    if flag == 'impressions' and not method.from_impressions:
        return 'without --Distillation ZSKD-R'
    return ''
