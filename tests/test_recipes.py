"""Hyper-parameters: the values of the recipes, what beats what, methods and schedules."""
import numpy as np
import pytest

from teachers.kind import TeacherKind
from utils.data.datasets import count
from utils.settings import flags, recipes
from utils.settings.hyper_parameters import AUGMENTATION, SCHEDULES, SYNTHESIS, TRAINING
from utils.settings.methods import METHODS
from utils.settings.recipes import RECIPES
from utils.settings.schedule import learning_rate

ALEXNET = RECIPES['default']['alexnet']


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
    assert count(rate) == items
    values = synthesis('--recipe=published', '--Rate=%d' % rate)
    assert (values.learning_rate, values.iterations) == (adams, 1500)
    assert (values.schedule, values.beta2, values.temperature) == ('constant', 0.999, 20)
    # Published: a mean over the batch, and Adam's epsilon 1e-8; here: a sum over a batch of any size.
    assert values.epsilon == pytest.approx(batch_size * 1e-8)
    assert (values.start_blur, values.l2, values.total_variation, values.jitter) == (0, 1e-3, 0, 0)
    assert (values.start_grey, values.start_deviation, values.ground, values.batch_norm) == (0, 1, 0, 0)
    assert values.betas == [0.1, 1.0]
    if rate == 20:
        assert vars(synthesis('--recipe=published', '--Rate=25')) == dict(vars(values), Rate=25, size=15000)


# The default recipe


@pytest.mark.parametrize('channels, foreign, iterations', [(1, False, 100), (1, True, 200), (3, True, 200)])
def test_teachers_that_are_graphs_of_their_own_get_more_iterations(channels, foreign, iterations):
    kind = TeacherKind(channels, foreign)
    assert recipes.synthesis('default', 600, kind=kind)['iterations'] == iterations
    assert recipes.synthesis('published', 600, kind=kind)['iterations'] == 1500
    for name in ('ZSKD_augment', 'Soft_logits_augment'):
        own, values = [recipes.training('default', name, 600, kind=each) for each in (TeacherKind(), kind)]
        if foreign and channels == 1 and name == 'ZSKD_augment':
            own.update(cutmix=0.5, fmix=1.0, copies=200, steps=2 * own['steps'])
        if channels == 3:
            own.update(ALEXNET.augmentation)
        assert values == own


@pytest.mark.parametrize('items, copies', [
    (60, 100), (600, 100), (3000, 33), (6000, 17), (24000, 4), (60000, 4)])
def test_the_fewer_impressions_the_more_copies(items, copies):
    assert recipes.training('default', 'ZSKD_augment', items)['copies'] == copies
    assert 'copies' not in recipes.training('default', 'ZSKD', items)


def test_copies_of_large_images_fit_into_memory():
    def copies(side, items):
        return recipes.training('default', 'ZSKD_augment', items, 'alexnet',
                                TeacherKind(3, True, 3 * side ** 2))['copies']

    assert [copies(32, 12000), copies(96, 600), copies(96, 12000), copies(512, 60000)] == [25, 100, 11, 1]
    large = TeacherKind(3, True, 3 * 96 ** 2)  # a student alone has none, in the table of a teacher neither
    assert recipes.training('default', 'Student_augment', 5000, 'alexnet', large)['copies'] == 60


@pytest.mark.parametrize('name', ['Teacher', 'Student', 'Soft_logits'])
def test_the_augmented_form_of_a_method_has_its_values_and_those_of_the_copies(name):
    augmented = recipes.training('default', name + '_augment', 600, 'alexnet')
    movements = dict(ALEXNET.augmentation)
    if not METHODS[name].has_teacher:
        del movements['cutmix'], movements['fmix']  # of copies that only a teacher can label
    assert augmented == dict(recipes.training('default', name, 600, 'alexnet'), copies=100, **movements)
    assert {'copies', *ALEXNET.augmentation} == set(AUGMENTATION)


def test_a_methods_own_movements_beat_those_of_its_pair():
    def moved(method):
        values = recipes.training('default', method, 600)
        return values['rotation'], values['scale'], values['shift'], values['copies']

    assert moved('Teacher_augment') == moved('Student_augment') == (5, 0.05, 1, 100)
    assert moved('Soft_logits_augment') == moved('ZSKD_augment') == (15, 0.15, 3, 100)


def test_a_pair_of_ones_own_has_the_values_of_lenet():
    default = recipes.training('default', 'ZSKD', 600)
    assert recipes.training('default', 'ZSKD', 600, 'mine.py') == default
    assert recipes.synthesis('default', 600, 'mine.py') == recipes.synthesis('default', 600)
    colour = recipes.training('default', 'ZSKD_augment', 600, 'mine.py', TeacherKind(3))
    assert colour == dict(recipes.training('default', 'ZSKD_augment', 600), **ALEXNET.augmentation)


@pytest.mark.parametrize('recipe, nets', [(recipe, nets) for recipe in RECIPES for nets in RECIPES[recipe]])
@pytest.mark.parametrize('items', [1, 600, 60000])
def test_every_value_of_every_recipe_is_within_its_range(recipe, nets, items):
    every = [(SYNTHESIS, recipes.synthesis(recipe, items, nets))]
    every += [(TRAINING, recipes.training(recipe, method, items, nets))
              for method in recipes.recipe_for(recipe, nets).training]
    for table, values in every:
        for name, value in values.items():
            row = table[name]
            for one in value if row.several else [value]:
                assert isinstance(one, row.kind), name
                assert one in row.choices if row.choices else row.low <= one <= row.high, name
                assert not (row.above and one == row.low), name


def test_what_is_held_out_is_not_counted():
    assert training('--holdout=10000').steps == recipes.training('default', 'Student', 50000)['steps']
    assert (training('--holdout=10000', '--Distillation=ZSKD-1').batch_size
            == recipes.training('default', 'ZSKD', 600)['batch_size']), 'impressions are not held out'


def test_a_data_set_of_2000_images_gets_the_steps_of_2000(small):
    own = '--dataset=%s' % small
    assert training(own).steps == recipes.training('default', 'Student', 2000)['steps']
    assert training(own, '--holdout=500').steps == recipes.training('default', 'Student', 1500)['steps']
    assert (training(own, '--Distillation=Soft_logits-10').steps
            == recipes.training('default', 'Soft_logits', 200)['steps'])
    assert training(own, '--recipe=published').steps == 2000 * 2000 // 512 + 1
    # Impressions are a share of 60,000, whatever the data set.
    assert vars(training(own, '--Distillation=ZSKD-10')) == dict(
        vars(training('--Distillation=ZSKD-10')), dataset=small, impressions='DI/small')


@pytest.mark.parametrize('rate, total, items', [
    (100, 60000, 60000), (1, 60000, 600), (0.055, 60000, 33), (40, 50, 20), (0.001, 60000, 1), (1, 7, 1)])
def test_rate_is_a_percentage(rate, total, items):
    assert count(rate, total) == items


# Settings: a flag beats the recipe, and what does not go together is refused

def test_a_flag_beats_the_recipe():
    learning = ['--recipe=published', '--Distillation=Soft_logits-5']
    for name, value in dict(steps=7, batch_size=3, learning_rate=0.5, weight_decay=0.25, temperature=2.0,
                            ce_weight=0.125, kl_weight=0.75).items():
        changed = training(*learning, '--%s=%s' % (name, value))
        assert vars(changed) == dict(vars(training(*learning)), **{name: value})
    search = ['--recipe=published', '--Rate=5']
    for name, value in dict(iterations=7, beta2=0.5, start_blur=0.5, ground=0.5, batch_norm=0.5, l2=0.75,
                            jitter=5).items():
        changed = synthesis(*search, '--%s=%s' % (name, value))
        assert vars(changed) == dict(vars(synthesis(*search)), **{name: value})
    assert synthesis(*search, '--betas', '2', '3').betas == [2, 3]
    for name, value in dict(copies=3, rotation=0.5, mirror=1, cutmix=0.5, schedule='constant').items():
        changed = training('--Distillation=ZSKD-5', '--augment', '--%s=%s' % (name, value))
        assert getattr(changed, name) == value


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
