"""All settings of a job: the given flags, and the rest from its recipe. The tables of values in --help."""
from argparse import Namespace

from tabulate import tabulate

from utils.data.datasets import count, impressions_folder, nominal
from utils.files import FlagError
from utils.settings.methods import METHODS, method_for, why_without_effect
from utils.settings.recipes import FOREIGN_GREY, OWN_GREY, RATES, RECIPES, recipe_for, synthesis, training


def training_settings(given, available, kind):
    """All settings of a training as a Namespace.

    ``given`` is {flag: value}; the recipe gives the rest.

    available: training images of the data set; kind: the TeacherKind. Adds ``method`` and ``rate``. Raises
    FlagError for values that do not go together, and for a flag without effect.
    """
    distillation, _, rate = given['Distillation'].partition('-')
    method = method_for(given['main_scope'], distillation, given['augment'])
    rate = float(rate or 100)
    if method.from_impressions:
        items = count(rate, nominal(given['dataset']))
    else:
        items = count(rate, max(1, available - given['holdout']))
    values = training(given['recipe'], method.name, items, given['nets'], kind)
    for name, value in given.items():
        reason = why_without_effect(name, method)
        if reason and value is not False:
            raise FlagError('--%s does nothing %s' % (name, reason))
    check_any_teacher(given)
    if method.has_teacher:
        values['teacher'] = 'Lenet5'
    if method.from_impressions:
        values['impressions'] = impressions_folder(given['dataset'])
    settings = Namespace(**dict(values, **given), method=method.name, rate=rate)
    if settings.ce_weight == settings.kl_weight == 0:
        raise FlagError('--ce_weight and --kl_weight cannot both be 0')
    if settings.ce_weight and method.from_impressions:
        raise FlagError('--ce_weight needs labels, and impressions have none; use 0')
    if settings.ce_weight and (getattr(settings, 'cutmix', 0) or getattr(settings, 'fmix', 0)):
        raise FlagError('--ce_weight needs one label for each copy; use 0, or --cutmix 0 --fmix 0')
    if settings.kl_weight and not method.has_teacher:
        raise FlagError('--kl_weight needs a teacher; use --Distillation')
    if settings.dataset == 'none' and (settings.holdout or not method.from_impressions):
        raise FlagError('--dataset none goes with --Distillation ZSKD-R, and without --holdout')
    return settings


class SynthesisSettings(Namespace):
    """The settings of a synthesis. ``typed`` says which were given: that is no setting, nor in a record."""
    __slots__ = ('typed',)


def synthesis_settings(given, kind):
    """The same for a synthesis of impressions; adds ``size``, the number of impressions.

    kind: the TeacherKind.
    """
    size = count(given['Rate'], nominal(given['dataset']))
    values = synthesis(given['recipe'], size, given['nets'], kind)
    values['save_path'] = impressions_folder(given['dataset'])
    check_any_teacher(given)
    settings = SynthesisSettings(**dict(values, **given), size=size)
    settings.typed = set(given)
    return settings


def check_any_teacher(given):
    """Raises FlagError where --any_teacher is among the flags {name: value} and has no effect."""
    if given['any_teacher'] and given['dataset'] == 'none':
        raise FlagError('--any_teacher does nothing without a data set')


def training_rows(recipe, nets='lenet', kind=OWN_GREY):
    """[{'': what, hyper-parameter: value}], a row for every method and rate of the table."""
    return [dict({'': '%s %g' % (method.label, rate)},
                 **training(recipe, method.name, count(rate, _total(nets)), nets, kind))
            for method in METHODS.values() if method.name in recipe_for(recipe, nets).training
            for rate in (RATES if method.has_teacher else [100])]


def synthesis_rows(recipe, nets='lenet', kind=OWN_GREY):
    """The same of the impressions, a row for every rate."""
    return [dict({'': 'impressions %g' % rate}, **synthesis(recipe, count(rate, _total(nets)), nets, kind))
            for rate in RATES]


def _total(nets):
    """The number of impressions at a rate of 100 per cent, for the data set of a known pair."""
    return nominal('cifar10' if nets == 'alexnet' else 'mnist')


def tables(rows_of):
    """The hyper-parameters of all recipes as text, a table each; rows_of: training_rows or synthesis_rows."""
    texts = [_table('--recipe %s --nets %s' % (recipe, nets), rows_of(recipe, nets))
             for recipe, pairs in RECIPES.items() for nets in pairs]
    usual = rows_of('default')
    foreign = [row for row in rows_of('default', kind=FOREIGN_GREY) if row not in usual]
    return '\n\n'.join([*texts, _table('a grey network of its own as the teacher', foreign)])


def _table(title, rows):
    """The rows of training_rows or synthesis_rows below a title."""
    # The longest row first, so that the temperature comes before the copies.
    names = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
    cells = [['%.4g' % row[name] if isinstance(row.get(name), float) else row.get(name, '-')
              for name in names] for row in rows]
    return '%s:\n\n%s' % (title, tabulate(cells, [name.replace('_', '\n') for name in names],
                                          tablefmt='plain', disable_numparse=True))
