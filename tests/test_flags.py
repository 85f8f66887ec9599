"""Flags: from values to a command line and back, their ranges, paths, rates, and flags inside flags."""
import math
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.files import FlagError
from utils.settings import flags, job_settings, recipes
from utils.settings import parser as flag_types
from utils.settings.hyper_parameters import SYNTHESIS, TRAINING
from utils.settings.parser import command_line
from utils.table.flags import table_flags

EXAMPLES = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def table(*words):
    """The settings of autotrain.py."""
    return table_flags(list(words))[1]


def training(*words):
    return flags.training_flags(['--train_dir=x', *words])


# From values to a command line and back

PATHS = st.text(st.characters(blacklist_characters='\0', blacklist_categories=['Cs']), min_size=1).filter(
    lambda text: not text.startswith('~'))
RATES = st.floats(100 / 60000, 100)


def values_of(row):
    """A strategy for the values of a hyper-parameter."""
    if row.choices:
        return st.sampled_from(row.choices)
    if row.kind is int:
        return st.integers(row.low, int(min(row.high, 10 ** 9)))
    value = st.floats(row.low, min(row.high, 1e300)).filter(lambda number: not row.above or number > row.low)
    return st.lists(value, min_size=1) if row.several else value


COMMON = dict(recipe=st.sampled_from(list(recipes.RECIPES)), data=PATHS, teacher=PATHS,
              seed=st.integers(0, 2 ** 31 - 1), threads=st.integers(1, 1024),
              nets=st.sampled_from(['lenet', 'alexnet']) | PATHS.map(lambda text: text + '.py'))
KNOWN = st.sampled_from(['mnist', 'fashion_mnist', 'none'])
TRAININGS = st.fixed_dictionaries({}, optional=dict(
    COMMON, dataset=KNOWN, main_scope=st.sampled_from(['Teacher', 'Student']), augment=st.booleans(),
    impressions=PATHS, any_teacher=st.booleans(), holdout=st.integers(0, 10 ** 9),
    teacher_mean=st.lists(st.floats(-1e6, 1e6), min_size=1),
    Distillation=st.just('None') | st.builds('{}-{:g}'.format, st.sampled_from(['Soft_logits', 'ZSKD']),
                                             RATES),
    **{name: values_of(row) for name, row in TRAINING.items()}))


@EXAMPLES
@given(TRAININGS, PATHS)
def test_training_flags_there_and_back(values, train_dir):
    words = command_line(dict(values, train_dir=train_dir))
    parser = flags.training_parser()
    typed = {name: value for name, value in values.items() if value is not False}
    assert parser.typed(command_line(values)) == typed
    given_values = flags.with_nets(dict(parser.given([]), train_dir=train_dir, **values))
    try:
        expected = job_settings.training_settings(given_values, 60000, recipes.OWN_GREY)
    except FlagError:
        with pytest.raises(SystemExit, match='2'):
            flags.training_flags(words)
    else:
        assert flags.training_flags(words) == expected


# Hyper-parameters

def test_no_hyper_parameter_has_a_default_but_its_recipes():
    for parser, table_of, values in (
            (flags.training_parser(), TRAINING, recipes.training('default', 'ZSKD_augment', 600)),
            (flags.synthesis_parser(), SYNTHESIS, recipes.synthesis('default', 600))):
        assert set(values) == set(table_of) and not set(table_of) & set(parser.given([]))


def right_and_wrong(row):
    """Values at the limits of a hyper-parameter's range, and values beyond them or of another type."""
    if row.choices:
        return row.choices, ['another']
    step = 1 if row.kind is int else 1e-6
    right, wrong = [row.low + step if row.above else row.low], ['nan', 'many', '']
    wrong.append(row.low if row.above else row.low - step)
    if row.high < math.inf:
        return right + [row.high], wrong + [row.high + step]
    return right + [row.kind(1e9)], wrong + ['inf' if row.kind is float else '1.5']


@pytest.mark.parametrize('make, table_of', [
    (flags.training_parser, TRAINING), (flags.synthesis_parser, SYNTHESIS)])
def test_every_hyper_parameter_has_a_range(make, table_of, capsys):
    parser = make()
    for name, row in table_of.items():
        right, wrong = right_and_wrong(row)
        for value in right:
            assert parser.typed(['--%s=%s' % (name, value)]) == {name: [value] if row.several else value}
        for value in wrong:
            with pytest.raises(SystemExit, match='2'):
                parser.typed(['--%s=%s' % (name, value)])
            assert re.search(r'error: argument --%s: ' % name, capsys.readouterr().err)


@pytest.mark.parametrize('parser, title, line', [
    (flags.training_parser(), '--recipe default --nets lenet',
     r'ZSKD 40 +5000 +258 +0.01 +warmup +0.001591 +0 +1 +20 '),
    (flags.training_parser(), '--recipe default --nets alexnet',
     r'ZSKD \+ augmentation 40 +15982 +128 '),
    (flags.training_parser(), 'a grey network of its own as the teacher',
     r'ZSKD \+ augmentation 1 +13000 +128 +0.01 +warmup +0.001 +0 +1 +20 +200 +15 +0.15 +3 +0 +0.5 +1$'),
    (flags.synthesis_parser(), 'a grey network of its own as the teacher', r'impressions 10 +200 +0.1 '),
    (flags.training_parser(), '--recipe published --nets lenet',
     r'Teacher 100 +23438 +512 +0.001 +constant +0.0001 +1 +0 +-$'),
    (flags.synthesis_parser(), '--recipe published --nets lenet',
     r'impressions 10 +1500 +1 +constant +0.999 +1e-06 +20 +\[0.1, 1.0\] +100 +0 +0 +1 +0 +0 +0 +0.001 +0$')])
def test_help_shows_the_values_of_every_recipe(parser, title, line):
    table = parser.format_help().split(title + ':')[1].split('--recipe')[0]
    assert re.search('^' + line, table, re.MULTILINE)


# Rates

def test_two_rates_that_look_alike_are_one(capsys):
    assert table('--rates', '33.33333', '33.333333').rates == [33.3333]
    assert table('--rates', '10', '1', '1.0', '1e1').rates == [1, 10]
    assert flags.synthesis_flags(['--Rate=33.33333']).Rate == 33.3333
    settings = training('--Distillation=ZSKD-33.333333')
    assert (settings.Distillation, settings.rate) == ('ZSKD-33.3333', 33.3333)


# Paths

def test_the_home_folder_is_put_into_every_path(monkeypatch):
    """A shell puts it into '--flag ~/x', but not into '--flag=~/x'."""
    monkeypatch.setenv('HOME', '/home/me')
    assert [kind('~/x' + suffix) for kind, suffix in (
        (flag_types.path, ''), (flag_types.dataset, '.npz'), (flag_types.nets, '.py'))] == [
            '/home/me/x', '/home/me/x.npz', '/home/me/x.py']
    for parser in flags.training_parser(), flags.synthesis_parser(), table_flags([])[0]:
        for action in parser._actions:
            if action.metavar in ('DIR', 'FILE', 'ADDRESS') or action.dest == 'teacher':
                assert action.type is flag_types.path, action.dest


@pytest.mark.parametrize('dataset', ['results.npz', 'nets.npz', '/elsewhere/MNIST.npz', 'FashionMNIST.npz',
                                     'data.npz', 'utils/tests.npz', 'CIFAR10.npz'])
def test_the_folder_of_a_table_of_ones_own_data_is_no_other_folder(dataset):
    root = table('--dataset', dataset).root
    known = {table('--dataset', name).root for name in flags.DATASETS}
    assert {'MNIST', 'FashionMNIST'} < known
    assert os.path.dirname(root) == '' and os.path.splitext(os.path.basename(dataset))[0] in root
    assert root not in known and '-table' in root
    assert table('--dataset', dataset, '--root=mine').root == 'mine'


# Flags inside flags

@pytest.mark.parametrize('text', ['--holdout=10000', '--holdout 10000', '--steps=5 --schedule cosine'])
@pytest.mark.parametrize('form', ['--training={}', '--training {}'])
def test_flags_for_jobs_are_understood_as_they_are_typed(text, form):
    """argparse alone takes the second word of --training "--holdout=10000" for a flag of its own."""
    words = ['--training=' + text] if '=' in form else ['--training', text]
    expected = dict(holdout=10000) if 'holdout' in text else dict(steps=5, schedule='cosine')
    assert table(*words, '--runs', '2').training == expected
    assert table('--runs', '2', *words).training == expected


@pytest.mark.parametrize('dataset, folder', [('mnist', 'DI'), ('none', 'DI'), ('cifar10', 'DI/CIFAR10'),
                                             ('fashion_mnist', 'DI/FashionMNIST'), ('a/b.npz', 'DI/b')])
def test_other_data_than_mnist_has_a_folder_of_its_own_for_impressions(dataset, folder, monkeypatch):
    monkeypatch.setattr(flags.datasets, 'training_images', lambda *_: 60000)
    assert flags.synthesis_flags(['--Rate=1', '--dataset', dataset]).save_path == folder
    words = ['--train_dir=x', '--Distillation=ZSKD-1', '--dataset', dataset]
    assert flags.training_flags(words).impressions == folder
