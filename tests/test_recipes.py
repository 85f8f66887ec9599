"""Hyper-parameters: the recipes' values, what beats what, methods, schedules, and flags there and back."""
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils import flags, recipes
from utils.methods import METHODS, method_for
from utils.schedule import SCHEDULES, learning_rate

EXAMPLES = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def training(*words):
    return flags.training_flags(['--train_dir=x', *words])


def synthesis(*words):
    return flags.synthesis_flags(list(words))


# The published recipe

PUBLISHED_TRAINING = [  # flags, steps, learning rate, factors of CE and of T^2 KL
    (['--main_scope=Teacher'], 23438, 1e-3, 1.0, 0),
    ([], 234376, 1e-2, 1.0, 0),
] + [(['--Distillation=%s-%d' % (method, rate)], steps, 1e-2, ce_weight, 1 / 400)
     for method, ce_weight in (('Soft_logits', 0.3), ('ZSKD', 0))
     for rate, steps in ((1, 2344), (5, 11719), (10, 23438), (25, 58594), (40, 93751))]


@pytest.mark.parametrize('words, steps, rate, ce_weight, kl_weight', PUBLISHED_TRAINING)
def test_published_training(words, steps, rate, ce_weight, kl_weight):
    values = training('--recipe=published', *words)
    assert (values.steps, values.batch_size) == (steps, 512)
    assert (values.learning_rate, values.schedule) == (rate, 'constant')
    assert (values.weight_decay, values.ce_weight, values.kl_weight) == (1e-4, ce_weight, kl_weight)
    if kl_weight:
        assert values.temperature == 20
        assert values.kl_weight * values.temperature ** 2 == 1, 'the published loss has no factor T^2'


@pytest.mark.parametrize('rate, items, batch_size, adams', [
    (1, 600, 10, 0.1), (5, 3000, 10, 0.1), (10, 6000, 100, 1), (20, 12000, 100, 2), (40, 24000, 100, 3)])
def test_published_synthesis(rate, items, batch_size, adams):
    """The published 'rate 25' made 12,000 impressions, which are 20 %; 25 % take the same values."""
    assert recipes.count(rate) == items
    values = synthesis('--recipe=published', '--Rate=%d' % rate)
    assert (values.learning_rate, values.iterations) == (adams, 1500)
    assert (values.schedule, values.beta2, values.temperature) == ('constant', 0.999, 20)
    # The published loss is a mean over its batch and Adam's epsilon 1e-8; here it is a sum over a batch of any size.
    assert values.epsilon == pytest.approx(batch_size * 1e-8)
    assert (values.start_blur, values.l2, values.total_variation, values.jitter) == (0, 1e-3, 0, 0)
    assert values.betas == [0.1, 1.0]
    if rate == 20:
        assert vars(synthesis('--recipe=published', '--Rate=25')) == dict(vars(values), Rate=25)


def test_published_has_no_augmentation():
    assert set(recipes.TRAINING['published']) == set(METHODS) - {'ZSKD_augment'}
    with pytest.raises(ValueError, match='the published recipe has no ZSKD . augmentation; use --recipe default'):
        recipes.training('published', 'ZSKD_augment', 600)


# The default recipe

def test_fewer_impressions_get_smaller_batches_and_more_weight_decay():
    few, some, many, all_ = [recipes.training('default', 'ZSKD', items) for items in (600, 6000, 24000, 60000)]
    assert few['batch_size'] < some['batch_size'] < many['batch_size'] < all_['batch_size']
    assert few['weight_decay'] > some['weight_decay'] > many['weight_decay'] > all_['weight_decay']
    assert few['steps'] == some['steps'] == many['steps'] == all_['steps']
    assert recipes.training('default', 'ZSKD', 1)['batch_size'] == 8
    assert all_ == dict(recipes.TRAINING['default']['ZSKD'], temperature=20)


@pytest.mark.parametrize('method', ['Soft_logits', 'ZSKD_augment'])
def test_smaller_sets_get_fewer_steps_though_not_in_proportion(method):
    whole = recipes.TRAINING['default'][method]
    steps = [recipes.training('default', method, items)['steps'] for items in (60, 600, 15000, 60000)]
    assert steps[3] == whole['steps'] and steps[2] == int(0.625 * whole['steps'])
    assert whole['steps'] / 4 < steps[0] < steps[1] < steps[2]
    assert recipes.training('default', method, 600)['weight_decay'] == whole['weight_decay']


@pytest.mark.parametrize('items, copies', [(60, 100), (600, 100), (3000, 33), (6000, 17), (24000, 4), (60000, 4)])
def test_the_fewer_impressions_the_more_copies(items, copies):
    assert recipes.training('default', 'ZSKD_augment', items)['copies'] == copies
    assert 'copies' not in recipes.training('default', 'ZSKD', items)


def test_only_zskd_without_copies_warms_up():
    assert {name: recipes.training('default', name, 600)['schedule'] for name in METHODS} == {
        'Teacher': 'cosine', 'Student': 'cosine', 'Soft_logits': 'cosine', 'ZSKD': 'warmup', 'ZSKD_augment': 'cosine'}


def test_what_is_held_out_is_not_counted():
    assert training('--holdout=10000').steps == recipes.training('default', 'Student', 50000)['steps']
    assert (training('--holdout=10000', '--Distillation=ZSKD-1').batch_size
            == recipes.training('default', 'ZSKD', 600)['batch_size']), 'impressions are not held out'


@pytest.mark.parametrize('rate, total, items', [(100, 60000, 60000), (1, 60000, 600), (0.055, 60000, 33), (40, 50, 20),
                                                (0.001, 60000, 1), (1, 7, 1)])
def test_rate_is_a_percentage(rate, total, items):
    assert recipes.count(rate, total) == items


# Settings: a flag beats the recipe, and what does not go together is refused

@pytest.mark.parametrize('recipe', recipes.RECIPES)
def test_a_flag_beats_the_recipe(recipe):
    given = dict(steps=7, batch_size=3, learning_rate=0.5, weight_decay=0.25, temperature=2.0, ce_weight=0.125,
                 kl_weight=0.75)
    words = ['--recipe', recipe, '--Distillation=Soft_logits-5']
    for name, value in given.items():
        changed = training(*words, '--%s=%s' % (name, value))
        assert vars(changed) == dict(vars(training(*words)), **{name: value})
    for name, value in dict(iterations=7, learning_rate=0.5, beta2=0.5, epsilon=0.25, temperature=2.0, start_blur=0.5,
                            l2=0.75, total_variation=0.25, jitter=5, batch_size=3).items():
        changed = synthesis('--recipe', recipe, '--Rate=5', '--%s=%s' % (name, value))
        assert vars(changed) == dict(vars(synthesis('--recipe', recipe, '--Rate=5')), **{name: value})
    assert synthesis('--recipe', recipe, '--Rate=5', '--betas', '2', '3').betas == [2, 3]
    assert training('--recipe', recipe, '--schedule=warmup').schedule == 'warmup'
    for name, value in dict(copies=3, rotation=0.5, scale=0.5, shift=0.5).items():
        assert getattr(training('--Distillation=ZSKD-5', '--augment', '--%s=%s' % (name, value)), name) == value


def test_settings_say_method_and_rate():
    assert [(s.method, s.rate) for s in (
        training('--main_scope=Teacher'), training(), training('--Distillation=Soft_logits-2.5'),
        training('--Distillation=ZSKD-40'), training('--Distillation=ZSKD-40', '--augment'))] == [
            ('Teacher', 100), ('Student', 100), ('Soft_logits', 2.5), ('ZSKD', 40), ('ZSKD_augment', 40)]


def test_copies_are_for_augment_alone():
    assert 'copies' not in training('--Distillation=ZSKD-1', '--copies=5')
    assert training('--Distillation=ZSKD-1', '--copies=5', '--augment').copies == 5


@pytest.mark.parametrize('changes, said', [
    (dict(ce_weight=0.0), '--ce_weight and --kl_weight cannot both be 0'),
    (dict(kl_weight=1.0), '--kl_weight needs a teacher'),
    (dict(Distillation='ZSKD-1', ce_weight=1.0), '--ce_weight needs labels, and impressions have none'),
    (dict(Distillation='ZSKD-1', main_scope='Teacher'), 'a Teacher is trained with --Distillation None'),
    (dict(augment=True), '--augment goes with --Distillation ZSKD-R'),
    (dict(Distillation='Soft_logits-1', augment=True), '--augment goes with --Distillation ZSKD-R'),
    (dict(dataset='none'), '--dataset none goes with --Distillation ZSKD-R'),
    (dict(dataset='none', Distillation='Soft_logits-1'), '--dataset none goes with --Distillation ZSKD-R'),
    (dict(dataset='none', Distillation='ZSKD-1', holdout=5), 'and without --holdout')])
def test_what_does_not_go_together(changes, said):
    given = dict(main_scope='Student', Distillation='None', augment=False, holdout=0, recipe='default', dataset='mnist')
    recipes.training_settings(given)
    with pytest.raises(ValueError, match=said):
        recipes.training_settings(dict(given, **changes))


# Flags, from values to a command line and back

PATHS = st.text(st.characters(blacklist_characters='\0', blacklist_categories=['Cs']), min_size=1)
RATES = st.floats(100 / 60000, 100)
COMMON = dict(recipe=st.sampled_from(recipes.RECIPES), data=PATHS, teacher=PATHS, seed=st.integers(0, 2 ** 31 - 1),
              dataset=st.sampled_from(['mnist', 'fashion_mnist', 'none']) | PATHS.map(lambda text: text + '.npz'),
              threads=st.integers(1, 1024), batch_size=st.integers(1, 60000), schedule=st.sampled_from(SCHEDULES),
              learning_rate=st.floats(1e-300, 1e300), temperature=st.floats(1e-9, 1e9))
TRAINING = st.fixed_dictionaries({}, optional=dict(
    COMMON, main_scope=st.sampled_from(['Teacher', 'Student']), augment=st.booleans(), impressions=PATHS,
    Distillation=st.just('None') | st.builds('{}-{}'.format, st.sampled_from(['Soft_logits', 'ZSKD']), RATES),
    holdout=st.integers(0, 30000), steps=st.integers(1, 10 ** 9), weight_decay=st.floats(0, 1e9),
    ce_weight=st.floats(0, 1e9), kl_weight=st.floats(0, 1e9), copies=st.integers(1, 1000), rotation=st.floats(0, 180),
    scale=st.floats(0, 0.9), shift=st.floats(0, 31)))
SYNTHESIS = st.fixed_dictionaries({}, optional=dict(
    COMMON, save_path=PATHS, iterations=st.integers(1, 10 ** 9), beta2=st.floats(0, 0.999999),
    epsilon=st.floats(1e-300, 1e9), start_blur=st.floats(0, 32), l2=st.floats(0, 1e9),
    total_variation=st.floats(0, 1e9), jitter=st.integers(0, 31), betas=st.lists(st.floats(1e-9, 1e9), min_size=1)))


def defaults(parser):
    return vars(parser.parse_args([]))


@EXAMPLES
@given(TRAINING, PATHS)
def test_training_flags_there_and_back(values, train_dir):
    words = flags.command_line(dict(values, train_dir=train_dir))
    given_values = {name: value for name, value in values.items() if value is not False}
    assert flags.given(flags.training_parser(), flags.command_line(values)) == given_values
    try:
        expected = recipes.training_settings(dict(defaults(flags.training_parser()), train_dir=train_dir, **values))
    except ValueError:
        with pytest.raises(SystemExit, match='2'):
            flags.training_flags(words)
    else:
        assert flags.training_flags(words) == expected


@EXAMPLES
@given(SYNTHESIS, RATES)
def test_synthesis_flags_there_and_back(values, rate):
    assert flags.given(flags.synthesis_parser(), flags.command_line(values)) == values
    expected = recipes.synthesis_settings(dict(defaults(flags.synthesis_parser()), Rate=rate, **values))
    assert flags.synthesis_flags(flags.command_line(dict(values, Rate=rate))) == expected


def test_every_hyper_parameter_has_a_flag_and_no_default_but_its_recipes():
    for parser, values in ((flags.training_parser(), recipes.training('default', 'ZSKD_augment', 600)),
                           (flags.synthesis_parser(), recipes.synthesis('default', 600))):
        for name in values:
            assert '--' + name in parser.format_usage()
            assert name not in defaults(parser)


@pytest.mark.parametrize('parser, recipe, line', [
    (flags.training_parser(), 'default', r'ZSKD 40 +8000 +258 +0.01 +warmup +0.001591 +0 +1 +20 '),
    (flags.training_parser(), 'default',
     r'ZSKD \+ augmentation 1 +8125 +128 +0.01 +cosine +0.001 +0 +1 +20 +100 +15 +0.15 +3$'),
    (flags.training_parser(), 'published', r'Teacher 100 +23438 +512 +0.001 +constant +0.0001 +1 +0 +-$'),
    (flags.synthesis_parser(), 'published',
     r'impressions 10 +1500 +1 +constant +0.999 +1e-06 +20 +0 +0.001 +0 +0 +\[0.1, 1.0\] +100$')])
def test_help_shows_the_values_of_every_recipe(parser, recipe, line):
    table = parser.format_help().split('--recipe %s:' % recipe)[1].split('--recipe')[0]
    assert re.search('^' + line, table, re.MULTILINE)


# Methods

def test_the_five_methods_are_told_apart_by_what_trains_them():
    assert list(METHODS) == ['Teacher', 'Student', 'Soft_logits', 'ZSKD', 'ZSKD_augment']
    assert [(method.has_teacher, method.from_impressions) for method in METHODS.values()] == [
        (False, False), (False, False), (True, False), (True, True), (True, True)]
    for name, method in METHODS.items():
        assert method.name == name and method_for(method.network, method.distillation, method.augment) is method
    assert len({method.label for method in METHODS.values()}) == 5
    folders = {method.folder.format(rate=rate, run=run) for method in METHODS.values() for rate in (1, 2.5)
               for run in (0, 1)}
    assert len(folders) == 2 * 2 + 3 * 2 * 2, 'one for every run, and rate where there is one'
    assert list(recipes.TRAINING['default']) == list(METHODS)


@pytest.mark.parametrize('network, distillation, augment', [
    ('Teacher', 'ZSKD', False), ('Teacher', 'Soft_logits', False), ('Teacher', 'None', True), ('Student', 'None', True),
    ('Student', 'Soft_logits', True)])
def test_there_are_no_other_methods(network, distillation, augment):
    with pytest.raises(ValueError, match='--augment goes' if augment else 'a Teacher is'):
        method_for(network, distillation, augment)


# Learning rate

def test_learning_rate_schedules():
    constant, cosine, warmup = [np.array([learning_rate(0.5, step, 200, name) for step in range(200)])
                                for name in ('constant', 'cosine', 'warmup')]
    assert (constant == 0.5).all()
    assert cosine[0] == 0.5 and cosine[100] == pytest.approx(0.25) and (np.diff(cosine) < 0).all()
    assert 0 < cosine[-1] < 1e-4
    assert 0 < warmup[0] < 0.05 and (np.diff(warmup[:20]) > 0).all() and (warmup[19:] == cosine[19:]).all()
    np.testing.assert_allclose(warmup[:20] / cosine[:20], np.arange(1, 21) / 20)


@pytest.mark.parametrize('schedule', SCHEDULES)
@pytest.mark.parametrize('steps', [1, 2, 7])
def test_learning_rate_of_a_few_steps_is_never_0(schedule, steps):
    assert all(0 < learning_rate(0.5, step, steps, schedule) <= 0.5 for step in range(steps))
