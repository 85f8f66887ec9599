"""The five methods of the table, each defined once. No numbers: those are in utils/recipes.py."""
from typing import NamedTuple


class Method(NamedTuple):
    """How one column of the table is made."""
    name: str           # in result files
    label: str          # in tables and pictures
    network: str        # --main_scope: the network that is trained
    distillation: str   # --Distillation without its rate: None (all images), Soft_logits (a sample), ZSKD (impressions)
    augment: bool       # affine copies of the impressions are added
    folder: str         # of a run, below the table's folder

    @property
    def has_teacher(self):
        return self.distillation != 'None'

    @property
    def from_impressions(self):
        return self.distillation == 'ZSKD'


METHODS = {method.name: method for method in (
    Method('Teacher', 'Teacher', 'Teacher', 'None', False, 'Teacher/tch{run}'),
    Method('Student', 'Student', 'Student', 'None', False, 'Student/std{run}'),
    Method('Soft_logits', 'Soft-logits', 'Student', 'Soft_logits', False, 'Soft_logits{rate:g}/sl{rate:g}_{run}'),
    Method('ZSKD', 'ZSKD', 'Student', 'ZSKD', False, 'ZSKD{rate:g}/zskd{rate:g}_{run}'),
    Method('ZSKD_augment', 'ZSKD + augmentation', 'Student', 'ZSKD', True, 'ZSKD_augment{rate:g}/zskda{rate:g}_{run}'),
)}


def method_for(network, distillation, augment):
    """The method that trains so; raises ValueError where there is none."""
    for method in METHODS.values():
        if (method.network, method.distillation, method.augment) == (network, distillation, augment):
            return method
    raise ValueError('--augment goes with --Distillation ZSKD-R' if augment else
                     'a Teacher is trained with --Distillation None')
