"""Commands, numbers, links, names and examples of the documents are right. No test compares a sentence."""
import csv
import importlib.util
import os
import re
import shlex
import shutil
from glob import glob

import cv2
import numpy as np
import pytest
from conftest import ROOT, run_script
from documents import DOCUMENTS, commands, read, short, snippets

import autotrain
import convert
import Data_Impressions
import train_w_distill
import visualization
from nets import priors
from tools import document_tables
from utils.data.datasets import open_dataset
from utils.files import load_json
from utils.graph_mode import TF1
from utils.settings import flags, hyper_parameters, methods
from utils.table.flags import table_flags
from utils.table.results import by_method, results_markdown

PARSERS = {'train_w_distill.py': flags.training_flags, 'Data_Impressions.py': flags.synthesis_flags,
           'autotrain.py': table_flags, 'visualization.py': flags.picture_flags, 'convert.py': convert.flags}
MAINS = {'train_w_distill.py': (train_w_distill.main, ['--steps=2']),
         'Data_Impressions.py': (Data_Impressions.main, ['--iterations=2']),
         'visualization.py': (visualization.main, [])}
if not TF1:
    MAINS['convert.py'] = convert.main, []
COMMANDS = [(short(path), command) for path in DOCUMENTS for command in dict.fromkeys(commands(read(path)))]
ADDED = 'squared_differences', 'ZSKD_white'  # what docs/networks.md adds


@pytest.fixture(scope='module')
def shapes(colours, tmp_path_factory):
    """A folder with what commands name: shapes.npz and mine.npz (colour, 24x24, five classes), shapes.py."""
    folder = tmp_path_factory.mktemp('shapes')
    for name in ('shapes.npz', 'mine.npz'):
        shutil.copy(colours, str(folder / name))
    (folder / 'shapes.py').write_text(snippets(read('docs', 'networks.md'))[0])
    return folder


# Commands

@pytest.mark.parametrize('document, command', COMMANDS)
def test_every_command_is_understood(document, command, shapes, monkeypatch):
    monkeypatch.chdir(shapes)
    program, *words = shlex.split(command, comments=True)
    if program == 'make':
        target, *rest = words
        assert re.search(r'^%s:' % target, read('Makefile'), re.MULTILINE)
        arguments = shlex.split(rest[0].split('ARGS=')[1]) if rest and 'ARGS=' in rest[0] else []
        words = {'table': ['autotrain.py'], 'bench': ['tools/benchmark.py']}.get(target, []) + arguments
    if words[:1] == ['-m']:
        assert importlib.util.find_spec(words[1]), words[1]
    elif words and words[0].endswith('.py') and not any(name in command for name in ADDED):
        known = read(words[0]) + read('utils', 'settings', 'flags.py')
        if words[0] in PARSERS:
            PARSERS[words[0]](words[1:])
        else:
            assert all(repr(word.split('=')[0]) in known for word in words if word.startswith('--'))


def test_commands_of_the_readme_run_one_after_the_other(tmp_path, data, monkeypatch):
    """As they stand, in an empty folder, but for fewer steps; those of tables have test_autotrain.py."""
    monkeypatch.setattr(train_w_distill, 'UNSEEN', 60)
    os.symlink(data, str(tmp_path / 'data'))
    monkeypatch.chdir(tmp_path)
    network = 'keras.Sequential([keras.layers.Flatten(input_shape=(28, 28)), keras.layers.Dense(10)])'
    done = run_script(['-c', 'from tensorflow import keras; %s.save("teacher.h5")' % network], cwd='.')
    assert done.returncode == 0, done.stderr
    assert set(followed('README.md')) == set(MAINS)
    assert set(os.listdir('pictures')) == {'concentrate.png', 'samples.png', 'accuracy.png', 'confusion.png'}


def followed(document, *needed):
    """The scripts of a document's commands that have the words ``needed``, which are run in few steps."""
    ran = []
    for command in commands(read(document)):
        script, *words = shlex.split(command, comments=True)[1:] or ['']
        if script in MAINS and all(word in words for word in needed):
            main, fewer = MAINS[script]
            assert not main(words + fewer + ['--copies=1'] * ('--augment' in words))
            ran.append(script)
    return ran


# Numbers

@pytest.mark.parametrize('path', document_tables.documents(), ids=short)
def test_tables_and_marked_numbers_follow_from_the_records_and_the_recipes(path):
    text = read(path)
    assert document_tables.updated(text) == text, 'run python tools/document_tables.py'


def test_a_marked_number_is_updated():
    low, high, gain = document_tables.updated('0 ± 0<!-- = mnist ZSKD 1 -->|0<!-- = mnist ZSKD 40 -->|'
                                              '0<!-- = mnist ZSKD 40 - ZSKD 1 -->').split('|')
    assert low.split('<')[0] in read('results', 'results.md') and high[:5] in read('results', 'results.md')
    assert abs(float(high[:5]) - float(low[:5]) - float(gain[:4])) < 1e-9


def test_every_table_is_in_a_document_and_one_beside_its_record():
    marked = re.findall(r'<!-- table: (\S+) -->', ''.join(map(read, document_tables.documents())))
    assert set(marked) == set(document_tables.TABLES)
    assert read('results', 'results.md') == document_tables.TABLES['mnist']()


@pytest.mark.parametrize('name', ['results.csv', 'results_tf2.csv', 'fashion_mnist.csv'])
def test_tables_are_of_five_runs(name):
    assert {len(accuracies) for rates in by_method(document_tables.record(name)).values()
            for accuracies in rates.values()} == {5}


@pytest.mark.parametrize('path', document_tables.documents(), ids=short)
def test_numbers_are_those_of_the_record_that_is_named_beside_them(path):
    """In a table below <!-- in: FILE --> all; beside a link to a file of results/ those with two decimals."""
    for block in re.split(r'\n\n+', read(path)):
        named = re.match(r'<!-- in: (\S+) -->', block)
        if named:
            check(re.findall(r'\d+\.\d+|\d{2,}', block[named.end():]), named.groups(), block)
            lines = [figures(line) for line in read('results', named.group(1)).splitlines()]
            for row in re.findall(r'^\|.*?\|(.*)', block, re.MULTILINE):
                assert any(figures(row) <= line for line in lines), row
            continue
        for item in re.split(r'\n(?=\||- |\d+\. )', block):
            names = re.findall(r'\]\((?:\.\./)?results/([\w.]+\.(?:csv|md))', item)
            check(re.findall(r'(?<![\d.])\d+\.\d\d(?![\d.<])(?! ± [\d.]+<)', item), names, item)


def figures(text):
    """The numbers with a decimal point in a text."""
    return set(re.findall(r'\d+\.\d+', text))


def check(numbers, names, text):
    known = set()
    for name in names:
        content = read('results', name)
        known.update(re.findall(r'\d+(?:\.\d+)?', content.replace(',', ' ')))
        rows = [row for row in csv.DictReader(content.splitlines()) if row.get('accuracy')]
        known.update('%.2f' % float(row['accuracy']) for row in rows)
        if rows and {'method', 'run'} <= set(rows[0]):
            known.update(re.findall(r'\d+\.\d\d', results_markdown(rows)))
    assert not names or set(numbers) <= known, (set(numbers) - known, text)


# Links, names, length, spelling

@pytest.mark.parametrize('path', DOCUMENTS, ids=short)
def test_every_link_leads_somewhere(path):
    text = re.sub(r'```.*?```', '', read(path), flags=re.DOTALL)  # a subscript that is called is no link
    for link in re.findall(r'\]\(([^)]+)\)', text):
        name, _, heading = link.partition('#')
        if not name.startswith('https://'):
            target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            assert os.path.exists(target), link
            headings = re.findall(r'^#+ (.*)', read(target), re.MULTILINE) if heading else []
            assert not heading or heading in map(anchor, headings), link


def anchor(heading):
    """A heading as GitHub links it."""
    return re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')


@pytest.mark.parametrize('path', [path for path in DOCUMENTS if 'CHANGELOG' not in path], ids=short)
def test_every_file_and_function_that_is_named_exists(path):
    named = r'`((?:nets|utils|teachers|export|tools|tests|results|docs)/[\w./*]*|\w+\.py)(?:: (\w+))?`'
    for name, function in re.findall(named, read(path)):
        if name != 'shapes.py':
            assert glob(os.path.join(ROOT, name)), name
            assert not function or re.search(r'\b(?:def|class) %s\b' % function, read(name)), (name, function)


@pytest.mark.parametrize('path', document_tables.documents(), ids=short)
def test_pages_are_short(path):
    lines = re.sub(r'<!-- = .*? -->', '', read(path)).splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 110 and not line.startswith('|')] == []


# The examples

def test_a_pair_of_ones_own_from_end_to_end(shapes, monkeypatch):
    """The commands of docs/networks.md as they stand, on colour images of 24x24, five classes; few steps."""
    monkeypatch.chdir(shapes)
    followed(os.path.join('docs', 'networks.md'), '--nets')
    inputs = load_json('shapes/zskd/result.json')['inputs']
    assert set(inputs) == {'dataset', 'teacher', 'impressions', 'nets'}
    words = re.search('autotrain.py (--nets.*)', read('docs', 'networks.md')).group(1).split()
    args = table_flags(words)[1]
    assert len(autotrain.plan(args)) == 6 and args.root == 'shapes-table'


def test_a_prior_and_a_column_are_added_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, prior, factor, source, column = snippets(read('docs', 'networks.md'))
    prior_words, table_words = [shlex.split(command)[2:] for command in commands(read('docs', 'networks.md'))
                                if any(name in command for name in ADDED)]
    # What is set here is gone after the test.
    monkeypatch.setitem(priors.PRIORS, ADDED[0], None)
    monkeypatch.setattr(methods, 'WHITE', None, raising=False)
    exec(prior, dict(vars(priors)), priors.PRIORS)
    row, = eval('[%s]' % factor, vars(hyper_parameters))
    monkeypatch.setitem(hyper_parameters.SYNTHESIS, row.name, row)
    exec(source, vars(methods))
    method, = eval('[%s]' % column, vars(methods))
    monkeypatch.setitem(methods.METHODS, method.name, method)
    Data_Impressions.main(prior_words + ['--iterations=2', '--dataset=none'])
    assert load_json(os.path.join('DI', 'DI-1.json'))['arguments'][row.name] == 0.001
    jobs = {job.name.split()[0]: ' '.join(job.command) for job in autotrain.plan(table_flags(table_words)[1])}
    assert '--start_blur=0.0' in jobs['DI_white-1'] and 'DI_white' in jobs['ZSKD_white-1']


def test_a_data_set_of_ones_own_is_written_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippet, _ = snippets(read('docs', 'datasets.md'))
    images, labels = np.arange(6 * 10 * 12 * 3).reshape(6, 10, 12, 3).astype(np.uint8), np.arange(6) % 3
    exec(snippet, dict(train_images=images, train_labels=labels, test_images=images, test_labels=labels))
    opened = open_dataset('mine.npz', 'data')
    assert (opened.class_names, opened.image_shape) == (('circle', 'square', 'star'), (10, 12, 3))


def test_a_data_set_is_written_from_folders_as_the_page_says(tmp_path, monkeypatch):
    pytest.importorskip('keras')
    monkeypatch.chdir(tmp_path)
    for level, name in ((40, 'dark'), (200, 'light')):
        (tmp_path / 'images' / name).mkdir(parents=True)
        for i in range(10):
            cv2.imwrite('images/%s/%d.png' % (name, i), np.full((20, 30, 3), level + i, np.uint8))
    snippet = snippets(read('docs', 'datasets.md'))[1]
    done = run_script(['-c', snippet], cwd=str(tmp_path))  # which is eager, unlike this process
    assert done.returncode == 0, done.stderr
    opened = open_dataset('mine.npz', 'data')
    assert (opened.class_names, opened.image_shape) == (('dark', 'light'), (64, 64, 3))
    for part, count in (('train', 16), ('test', 4)):
        images, labels = opened.part(part, (64, 64, 3))
        assert len(labels) == count and ((images[:, 0, 0, 0] > 100) == labels).all()
