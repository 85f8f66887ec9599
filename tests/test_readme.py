"""What the README says is what the code does: its commands, its snippets, its tables."""
import csv
import os
import re
import shlex
import statistics
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io
import scipy.signal
import tensorflow.compat.v1 as tf
from tabulate import tabulate

import Data_Impressions
import train_w_distill
import visualization
from conftest import ROOT
from nets.lenet import build_lenet
from utils import flags, recipes
from utils.methods import METHODS
from utils.results import results_markdown
from utils.session import logits_of, new_graph, session, weights

with open(os.path.join(ROOT, 'README.md'), encoding='utf-8') as file:
    README = file.read()
SCRIPTS = re.findall(r'^    python (\w+\.py.*)$', README, re.MULTILINE)
SNIPPETS = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
SAVE, TENSORFLOW_1, TENSORFLOW_2, KERAS, PYTORCH = SNIPPETS
PUBLISHED_METHODS = ['Teacher', 'Student', 'Soft_logits', 'ZSKD']
PUBLISHED = {100: [99.06, 98.52], 40: [89.78, 97.92], 25: [91.64, 97.35], 10: [93.08, 96.69], 5: [88.43, 91.31], 1: [70.02, 92.15]}


def test_every_script_command_is_understood():
    parsers = {'train_w_distill.py': flags.training_flags, 'Data_Impressions.py': flags.synthesis_flags,
               'autotrain.py': flags.table_flags, 'visualization.py': flags.picture_flags}
    assert {command.split()[0] for command in SCRIPTS} == set(parsers)
    for command in SCRIPTS:
        name, *words = shlex.split(command)
        parsers[name](words)


def test_the_scripts_commands_run_one_after_the_other(tmp_path, data, monkeypatch):
    """As they stand, in an empty folder, but for fewer steps; the table's own have test_autotrain.py."""
    mains = {'train_w_distill.py': (train_w_distill.main, ['--steps=2']),
             'Data_Impressions.py': (Data_Impressions.main, ['--iterations=2']), 'visualization.py': (visualization.main, [])}
    os.symlink(data, str(tmp_path / 'data'))
    monkeypatch.chdir(tmp_path)
    for command in SCRIPTS:
        name, *words = shlex.split(command)
        if name in mains:
            main, fewer = mains[name]
            assert not main(words + fewer)
    assert set(os.listdir('pictures')) == {'concentrate.png', 'samples.png', 'accuracy.png', 'confusion.png'}


def saved_by(snippet, folder, monkeypatch, **names):
    """Path of the teacher.mat that a snippet and then the README's saving lines make, with those names defined."""
    monkeypatch.chdir(folder)
    exec(snippet + SAVE, names)
    return str(folder / 'teacher.mat')


@pytest.fixture
def images():
    return np.random.RandomState(0).randint(0, 256, (5, 32, 32, 1)).astype(np.uint8)


def random_teacher():
    """{variable name: array} of a LeNet-5 with random weights and biases, in the order of the layers."""
    new_graph(1)
    build_lenet(tf.zeros([1, 32, 32, 1]), 'Teacher')
    rng = np.random.RandomState(2)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        return {name: 0.1 * rng.standard_normal(array.shape).astype(np.float32)
                for name, array in weights(sess, 'Teacher').items()}


def test_a_teacher_from_a_tensorflow_1_session(tmp_path, monkeypatch, images):
    arrays = random_teacher()
    tf.reset_default_graph()
    for array in arrays.values():
        tf.Variable(array)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        path = saved_by(TENSORFLOW_1, tmp_path, monkeypatch, sess=sess, tf=tf)
    assert_same_network(path, arrays, tmp_path, images)


def test_a_teacher_from_tensorflow_2_variables(tmp_path, monkeypatch, images):
    arrays = random_teacher()
    variables = [SimpleNamespace(numpy=lambda array=array: array) for array in arrays.values()]
    path = saved_by(TENSORFLOW_2, tmp_path, monkeypatch, variables=variables)
    assert_same_network(path, arrays, tmp_path, images)


def assert_same_network(path, arrays, folder, images):
    scipy.io.savemat(str(folder / 'other.mat'), arrays)
    np.testing.assert_array_equal(logits_of(path, 'Teacher', images, 1), logits_of(str(folder / 'other.mat'), 'Teacher', images, 1))


KERAS_MODEL = """
import numpy as np
import tensorflow as tf
layers = tf.keras.layers
model = tf.keras.Sequential([
    layers.Conv2D(6, 5, activation='relu', bias_initializer='uniform', input_shape=(32, 32, 1)), layers.MaxPooling2D(),
    layers.Conv2D(16, 5, activation='relu', bias_initializer='uniform'), layers.MaxPooling2D(), layers.Flatten(),
    layers.Dense(120, activation='relu'), layers.Dense(84, activation='relu'), layers.Dense(10)])
np.save('logits.npy', model.predict(np.load('images.npy') / np.float32(255)))
"""


def test_a_teacher_from_keras(tmp_path, images):
    """In a process of its own, as Keras of TensorFlow 2 predicts in no graph."""
    np.save(str(tmp_path / 'images.npy'), images)
    subprocess.run([sys.executable, '-c', KERAS_MODEL + KERAS + SAVE], cwd=str(tmp_path), check=True)
    expected = np.load(str(tmp_path / 'logits.npy'))
    np.testing.assert_allclose(logits_of(str(tmp_path / 'teacher.mat'), 'Teacher', images, 1), expected, atol=1e-4)


def test_a_teacher_from_pytorch(tmp_path, monkeypatch, images):
    """Arrays in PyTorch's layout, and what such a network computes, written with scipy."""
    rng = np.random.RandomState(0)
    shapes = [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]
    layers = [(0.1 * rng.standard_normal(shape), 0.1 * rng.standard_normal(shape[0])) for shape in shapes]
    state = {'%d.%s' % (i, kind): array for i, pair in enumerate(layers) for kind, array in zip(('weight', 'bias'), pair)}

    def forward(x):
        for w, b in layers[:2]:
            x = np.stack([scipy.signal.correlate(x, kernel, 'valid')[0] for kernel in w]) + b[:, None, None]
            x = np.maximum(x, 0).reshape(len(w), x.shape[1] // 2, 2, x.shape[2] // 2, 2).max(axis=(2, 4))
        x = x.reshape(-1)
        for w, b in layers[2:]:
            x = w @ np.maximum(x, 0) + b
        return x

    path = saved_by(PYTORCH, tmp_path, monkeypatch, model=SimpleNamespace(state_dict=lambda: state))
    expected = [forward(image.transpose(2, 0, 1) / 255) for image in images]
    np.testing.assert_allclose(logits_of(path, 'Teacher', images, 1), expected, atol=1e-4)


def test_a_teacher_of_scaled_images(tmp_path, images):
    """The README's formulas turn a teacher of (x - mean) / std into one of [0, 1]."""
    arrays = random_teacher()
    mean, std = 0.13, 0.31
    weights, biases = arrays['Teacher/conv0/weights'], arrays['Teacher/conv0/biases']
    formulas = re.search(r'becomes one of \[0, 1\] in its first layer: `(.*?)`, and\n`(.*?)`', README)
    scaled_weights, scaled_biases = eval(formulas.group(1)), eval(formulas.group(2))
    x = images[0, :, :, 0] / 255
    before = scipy.signal.correlate((x - mean) / std, weights[:, :, 0, 3], 'valid') + biases[3]
    after = scipy.signal.correlate(x, scaled_weights[:, :, 0, 3], 'valid') + scaled_biases[3]
    np.testing.assert_allclose(before, after, atol=1e-5)


def differences():
    """README's table of hyper-parameters: published -> here, where they differ at any rate of the table."""
    def values(rows, name):
        shown = ['%.4g' % row[name] if isinstance(row.get(name), float) else str(row.get(name, '-')) for row in rows]
        return shown[0] if len(set(shown)) == 1 else '%s to %s' % (shown[0], shown[-1])

    def column(rows_for, name):
        published, here = [values(rows_for(recipe), name) for recipe in ('published', 'default')]
        return published if published == here else '%s → %s' % (published, here)

    training = [[name.replace('_', ' ')] + [column(lambda recipe: [
        row for row in recipes.training_rows(recipe) if row[''].rsplit(' ', 1)[0] == METHODS[method].label], name)
        for method in PUBLISHED_METHODS]
        for name in ('steps', 'batch_size', 'learning_rate', 'schedule', 'weight_decay', 'ce_weight', 'kl_weight', 'temperature')]
    synthesis = [[name.replace('_', ' '), column(recipes.synthesis_rows, name)] for name in recipes.synthesis('default', 600)]
    head = [''] + [METHODS[method].label for method in PUBLISHED_METHODS]
    return [tabulate(rows, headers, tablefmt='github', disable_numparse=True)
            for rows, headers in ((training, head), (synthesis, ['', 'impressions']))]


@pytest.mark.parametrize('table', differences())
def test_what_differs_is_what_the_recipes_say(table):
    assert table in README, 'README should hold\n' + table


def record(name):
    """The rows of a results.csv in results/ that are trainings, and {(method, rate): its mean accuracy, as shown}."""
    with open(os.path.join(ROOT, 'results', name), newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['accuracy']]
    cells = {}
    for row in rows:
        cells.setdefault((row['method'], float(row['rate'])), []).append(float(row['accuracy']))
    return rows, {key: '%.2f' % statistics.mean(accuracies) for key, accuracies in cells.items()}


@pytest.mark.parametrize('name', ['results.csv', 'fashion_mnist.csv'])
def test_results_are_those_of_the_record(name):
    rows, _ = record(name)
    table = results_markdown(rows)
    assert {len({row['run'] for row in rows if row['method'] == method}) for method in METHODS} == {5}
    assert table in README, 'README should hold\n' + table


def test_the_committed_table_is_that_of_the_record():
    with open(os.path.join(ROOT, 'results', 'results.md'), encoding='utf-8') as file:
        assert file.read() == results_markdown(record('results.csv')[0])


def test_both_runtimes_give_the_same_table():
    """Within what the README says."""
    near, at_rate_1 = map(float, re.search(r'the table is the same within ([\d.]+), at rate 1 within ([\d.]+) \(', README).groups())
    reference, other = [record(name)[1] for name in ('results.csv', 'results_tf2.csv')]
    assert set(reference) == set(other)
    for (method, rate), mean in reference.items():
        assert abs(float(mean) - float(other[method, rate])) <= (at_rate_1 if rate == 1 else near)


def test_the_comparison_is_that_of_the_records():
    """README's table: published / as published here / here; - where nothing was measured."""
    records = [record(name)[1] for name in ('published.csv', 'results.csv')]
    lines = []
    for rate, values in PUBLISHED.items():
        cells = dict(zip(PUBLISHED_METHODS[:2] if rate == 100 else PUBLISHED_METHODS[2:], values))
        lines.append([rate] + [' / '.join(['%.2f' % cells[method]] + [means.get((method, rate), '-') for means in records])
                               if method in cells else '-' for method in PUBLISHED_METHODS])
    table = tabulate(lines, ['Rate'] + [METHODS[method].label for method in PUBLISHED_METHODS], tablefmt='github',
                     disable_numparse=True, colalign=['right'] + ['center'] * 4)
    assert table in README, 'README should hold\n' + table


def test_how_fast_is_what_the_benchmark_said():
    """README's rows, seconds and core hours are those of results/bench.md."""
    def numbers(row):
        return [float(number) for number in re.findall(r'\d+\.?\d*', row.split('|', 2)[2])]

    with open(os.path.join(ROOT, 'results', 'bench.md'), encoding='utf-8') as file:
        bench = file.read()
    section = README.split('## How fast')[1].split('\n## ')[0]
    rows = re.findall(r'^\| .*\| +[\d.]+ \|.*', section, re.MULTILINE)
    timed = [numbers(row) for row in re.findall(r'^\| .*', bench, re.MULTILINE)]
    assert rows and all(numbers(row) in timed for row in rows)
    seconds = ['{:,} s'.format(int(job)) for job in re.findall(r'\| both +\| (\d+)', bench)]
    hours = [number for run in re.findall(r'graphs ([\d.]+) core hours.* ([\d.]+);', bench) for number in run]
    assert len(seconds) == 3 and len(hours) == 4 and all(number in section for number in seconds + hours)
