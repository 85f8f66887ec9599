"""What the documents say is what the code does: commands, tables, figures, links, examples."""
import importlib.util
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
from glob import glob

import numpy as np
import pytest
from conftest import ROOT
from documents import DOCUMENTS, PAGES, PENDING, README, commands, read, short, snippets, unwrapped

import autotrain
import Data_Impressions
import train_w_distill
from tools import document_tables
from utils.data.datasets import open_dataset
from utils.files import load_json
from utils.settings import flags

PARSERS = {'train_w_distill.py': flags.training_flags, 'Data_Impressions.py': flags.synthesis_flags,
           'autotrain.py': flags.table_flags, 'visualization.py': flags.picture_flags}
COMMANDS = [(short(path), command) for path in DOCUMENTS for command in dict.fromkeys(commands(read(path)))]
CODE = sorted(glob(os.path.join(ROOT, '*.py')) + glob(os.path.join(ROOT, '*', '*.py')))


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """A folder with what commands name: shapes.npz and mine.npz (colour, 24x24, five classes), shapes.py."""
    folder = tmp_path_factory.mktemp('shapes')
    rng = np.random.RandomState(0)
    labels = np.arange(150) % 5
    images = (40 * labels[:, None, None, None] + rng.randint(0, 60, (150, 24, 24, 3))).astype(np.uint8)
    np.savez(str(folder / 'shapes.npz'), x_train=images[:100], y_train=labels[:100],
             x_test=images[100:], y_test=labels[100:])
    shutil.copy(str(folder / 'shapes.npz'), str(folder / 'mine.npz'))
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
    elif words and words[0].endswith('.py'):
        understood(*words)


def understood(script, *words):
    if script in PENDING:
        pytest.skip('%s is not there yet' % script)
    if script in PARSERS:
        if any('squared_differences' in word or 'ZSKD_white' in word for word in words):
            pytest.skip('test_a_prior_and_a_column runs it, with what the page adds')
        PARSERS[script](list(words))
    else:
        known = read(script) + read('utils', 'flags.py')
        assert all(repr('--' + word[2:].split('=')[0]) in known for word in words if word.startswith('--'))


def test_there_are_commands_of_every_script():
    named = {word for _, command in COMMANDS for word in command.split() if word.endswith('.py')}
    assert named >= {*PARSERS, *map(short, glob(os.path.join(ROOT, 'tools', '*.py')))}


# Tables and figures

@pytest.mark.parametrize('path', document_tables.documents(), ids=short)
def test_tables_follow_from_the_records_and_the_recipes(path):
    text = read(path)
    assert document_tables.with_tables(text) == text, 'run python tools/document_tables.py'


def test_every_table_is_in_a_document():
    marked = re.findall(r'<!-- table: (\S+) -->', ''.join(map(read, document_tables.documents())))
    assert set(marked) == set(document_tables.TABLES)


def test_the_committed_table_is_that_of_the_record():
    assert read('results', 'results.md') == document_tables.TABLES['mnist']()


@pytest.mark.parametrize('name', ['results.csv', 'results_tf2.csv', 'fashion_mnist.csv'])
def test_tables_are_of_five_runs(name):
    runs = {}
    for row in document_tables.record(name):
        runs.setdefault((row['method'], row['rate']), set()).add(row['run'])
    assert runs and all(len(found) == 5 for found in runs.values())


@pytest.mark.parametrize('page', ['results.md', 'reproducibility.md'])
def test_both_runtimes_give_the_same_table(page):
    """Within what the pages say."""
    said = re.search(r'([\d.]+), at rate 1 (?:within|by at most) ([\d.]+\d)',
                     unwrapped('docs', page)).groups()
    near, at_rate_1 = map(float, said)
    reference, other = [document_tables.means(name) for name in ('results.csv', 'results_tf2.csv')]
    assert set(reference) == set(other)
    for (method, rate), mean in reference.items():
        difference = abs(round(mean, 2) - round(other[method, rate], 2))
        assert difference <= (at_rate_1 if rate == 1 else near) + 1e-9


@pytest.mark.parametrize('name', ['README.md', 'docs/results.md'])
def test_times_are_those_of_the_records(name):
    assert all(time in read('results', 'README.md') for time in re.findall(r'\d+ min \d+ s', read(name)))


def test_what_documents_say_of_cifar10_is_in_its_record():
    means = {cell: '%.2f' % mean for cell, mean in document_tables.means('cifar10.csv').items()}
    best = means['ZSKD_augment', 80]
    here = re.search(r'^\| \*\*here\*\* .*$', read('docs', 'cifar10.md'), re.MULTILINE).group()
    assert re.findall(r'\d+\.\d+', here) == [means['Teacher_augment', 100], means['Student_augment', 100],
                                             means['Soft_logits_augment', 80], best]
    assert 'ZSKD without copies stays far behind: %s at rate 80' % means['ZSKD', 80] in unwrapped(
        'docs', 'cifar10.md')
    assert 'one run here reaches %s, %s, %s' % (means['Teacher_augment', 100], means['Student_augment', 100],
                                                   best) in unwrapped('README.md')
    assert 'reaches %s at rate 80' % best in unwrapped('docs', 'results.md')


def test_what_is_said_of_copies_for_all_is_in_the_records():
    """The figures of docs/fair.md, and those of the README on MNIST: differences of the tables' cells."""
    digits = gains_by_copies('results.csv', 'mnist')
    garments = gains_by_copies('fashion_mnist.csv', 'fashion_mnist')
    page, readme = unwrapped('docs', 'fair.md'), unwrapped('README.md')
    gains = 'the teacher {teacher}, the student alone {student}, soft-logits {least} to {most} at rates 5'
    assert gains.format(**digits) in page and gains.format(**garments) in page
    assert 'to 40 and {few} at rate 1.'.format(**digits) in page
    assert 'leads by {lead} at rate 1 and by {lead_5} at rate 5.'.format(**digits) in page
    assert 'behind by {behind} and {behind_5}, which'.format(**digits) in page
    assert 'to 80 and {few} at rate 1.'.format(**garments) in page
    assert 'behind by {behind} at rate 1 and by {behind_5} at rate 5.'.format(**garments) in page
    assert 'gain {teacher}, {student}, {few} and {five}.'.format(**digits) in readme
    assert 'lead over soft-logits there, {lead} and {lead_5}, is then gone'.format(**digits) in readme


def gains_by_copies(name, dataset):
    """By how much methods with copies of real images gain, and how far augmented ZSKD is from soft-logits."""
    plain = {cell: round(mean, 2) for cell, mean in document_tables.means(name).items()}
    accuracies = {}
    for row in document_tables.record('fair.csv'):
        if row['dataset'] == dataset:
            cell = row['method'].replace('_augment', ' copies'), float(row['rate'])
            accuracies.setdefault(cell, []).append(float(row['accuracy']))
    copies = {cell: round(statistics.mean(values), 2) for cell, values in accuracies.items()}
    assert copies['Teacher', 100] == plain['Teacher', 100], 'the teachers of the table'
    gains = {(method, rate): copies[method + ' copies', rate] - mean for (method, rate), mean in plain.items()
             if (method + ' copies', rate) in copies}
    larger = [gain for (method, rate), gain in gains.items() if method == 'Soft_logits' and rate > 1]
    lead, lead_5 = [plain['ZSKD_augment', rate] - plain['Soft_logits', rate] for rate in (1, 5)]
    behind, behind_5 = [copies['Soft_logits copies', rate] - plain['ZSKD_augment', rate] for rate in (1, 5)]
    found = dict(teacher=gains['Teacher', 100], student=gains['Student', 100], few=gains['Soft_logits', 1],
                 five=gains['Soft_logits', 5], least=min(larger), most=max(larger), lead=lead, lead_5=lead_5,
                 behind=behind, behind_5=behind_5)
    return {key: '%.2f' % value for key, value in found.items()}


def test_the_published_teacher_is_that_of_the_record():
    accuracies = [float(row['accuracy']) for row in document_tables.record('published_teacher.csv')]
    cell = '%.2f ± %.2f' % (statistics.mean(accuracies), statistics.stdev(accuracies))
    assert cell in unwrapped('docs', 'results.md')


def test_findings_are_those_of_their_records():
    """Every accuracy of a row of docs/studies.md stands in the record that the row links."""
    rows = re.findall(r'^\| .*\| ([^|]*) → ([^|]*) \| \[.*\]\(\.\./(results/[\w.]+).*\) \|$',
                      read('docs', 'studies.md'), re.MULTILINE)
    assert len(rows) > 10
    for before, after, name in rows:
        known = read(name)
        if name.endswith('.csv'):
            values = [float(row['accuracy']) for row in document_tables.record(os.path.basename(name))]
            known = ' '.join('%.2f' % value for value in values)
            if 'run' in document_tables.every_row(os.path.basename(name))[0]:
                known += document_tables.results_markdown(document_tables.record(os.path.basename(name)))
        accuracies = re.findall(r'\d\d\.\d\d', before + after)
        assert accuracies and all(accuracy in known for accuracy in accuracies), (before, after, name)


def test_the_other_figures_of_the_studies_are_those_of_their_records():
    """The check on new teachers, and how measures rank settings without any image."""
    page, log = unwrapped('docs', 'studies.md'), read('results', 'studies_log.md')
    checked = document_tables.results_markdown(document_tables.record('fashion_mnist_validation.csv'))
    figures = re.findall(r'\d\d\.\d\d ± \d\.\d\d', page)
    assert len(figures) == 5 and all(figure in checked for figure in figures)
    correlations = re.findall(r'-?0\.\d\d, -?0\.\d\d', page)
    assert len(correlations) == 6 and all(pair in log for pair in correlations)


def test_performance_is_what_the_benchmark_said():
    """Rows, seconds and core hours are those of results/bench.md."""
    page, bench = read('docs', 'performance.md'), read('results', 'bench.md')
    parts = re.split(r'## (?:TensorFlow 2|Whole jobs)\n', bench)
    bench = dict(zip(('TensorFlow 1.13', 'TensorFlow 2.21', 'jobs'), parts))
    for title in ('TensorFlow 1.13', 'TensorFlow 2.21'):
        table = re.search(r'\| %s \| batch.*\n((?:\|.*\n)*)' % re.escape(title), page).group(1)
        timed = [numbers(row) for row in re.findall(r'^\| .*', bench[title], re.MULTILINE)]
        rows = re.findall(r'^\| [^-].*', table, re.MULTILINE)
        assert rows and all(numbers(row) in timed for row in rows)
        hours = re.search(r'graphs ([\d.]+) core hours, on ours ([\d.]+), default recipe on ours ([\d.]+);',
                          bench[title])
        assert '| %s | %s |' % (title, ' | '.join(hours.groups())) in page
    seconds = re.findall(r'\| both +\| (\d+)', bench['jobs'])
    accuracies = re.findall(r'train_w_distill.py +\| \d+ +\| ([\d.]+)', bench['jobs'])
    jobs = ['| %s | %s |' % job for job in zip(seconds, accuracies)]
    assert len(jobs) == 3 and all(job in page for job in jobs)


def numbers(row):
    return [float(number) for number in re.findall(r'\d+\.?\d*', row.split('|', 2)[2])]


def test_many_jobs_are_what_the_benchmark_said():
    bench, page = read('results', 'bench_jobs.md'), unwrapped('docs', 'cluster.md')
    through_cluster, = re.findall(r'\| cluster, no process +\| +(\d+) ', bench)
    assert '%s jobs a second' % through_cluster in page
    needed = int(re.search(r'would need (\d+) jobs a second', page).group(1))
    run, chain = re.search(r'\| default recipe \| [\d,]+ s in (\d+) jobs \| (\d+) s:', page).groups()
    assert needed == round(1000 * int(run) / int(chain)) < int(through_cluster)
    jobs, seconds, memory = re.search(r'\| +1000 \| +(\d+) \| +([\d.]+) \| +([\d.]+) \|', bench).groups()
    page = unwrapped('docs', 'performance.md')
    assert '%s jobs' % '{:,}'.format(int(jobs)) in page
    assert 'in %s CPU seconds and needs %s MB' % (seconds, memory) in page


def test_the_numbers_of_former_tables_are_those_of_the_log():
    log = read('results', 'studies_log.md')
    tables = re.findall(r'(?:\d\d\.\d\d, ){4}\d\d\.\d\d', unwrapped('CHANGELOG.md'))
    assert len(tables) == 12 and all(table in log.replace('*', '') for table in tables)


# Links, names, length, spelling

@pytest.mark.parametrize('path', DOCUMENTS, ids=short)
def test_every_link_leads_somewhere(path):
    text = re.sub(r'```.*?```', '', read(path), flags=re.DOTALL)  # a subscript that is called is no link
    for link in re.findall(r'\]\(([^)]+)\)', text):
        name, _, heading = link.partition('#')
        if name.startswith('https://'):
            continue
        target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if short(target) in PENDING:
            continue
        assert os.path.exists(target), link
        headings = re.findall(r'^#+ (.*)', read(target), re.MULTILINE) if heading else []
        assert not heading or heading in map(anchor, headings), link


def anchor(heading):
    """A heading as GitHub links it."""
    return re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')


@pytest.mark.parametrize('path', [path for path in DOCUMENTS if not path.endswith('CHANGELOG.md')], ids=short)
def test_every_file_and_function_that_is_named_exists(path):
    named = r'`((?:nets|utils|tools|tests|results|docs|figures|pre_trained)/[\w./*]*|\w+\.py)(?:: (\w+))?`'
    for name, function in re.findall(named, read(path)):
        if name in PENDING or name in ('shapes.py', 'squared_differences.py', 'agreement.py'):
            continue
        assert glob(os.path.join(ROOT, name)), name
        assert not function or re.search(r'\b(?:def|class) %s\b' % function, read(name)), (name, function)


@pytest.mark.parametrize('path', [README, *PAGES], ids=short)
def test_pages_are_short(path):
    lines = read(path).splitlines()
    assert len(lines) <= (150 if path == README else 149)
    assert [line for line in lines if len(line) > 110 and not line.startswith('|')] == []


@pytest.mark.parametrize('path', DOCUMENTS, ids=short)
def test_whose_published_implementation_is_meant_is_said(path):
    assert 'sseung0703' in read(path) or 'published implementation' not in unwrapped(path)


def test_spelling():
    if not importlib.util.find_spec('codespell_lib'):
        pytest.skip('codespell is not installed')
    words = [sys.executable, '-m', 'codespell_lib', *DOCUMENTS, os.path.join(ROOT, 'CITATION.cff'), *CODE]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout


# The examples

def test_a_pair_of_ones_own_from_end_to_end(shapes, monkeypatch):
    """The commands of docs/networks.md as they stand, on colour images of 24x24, five classes; few steps."""
    monkeypatch.chdir(shapes)
    mains = {'train_w_distill.py': (train_w_distill.main, ['--steps=20']),
             'Data_Impressions.py': (Data_Impressions.main, ['--iterations=2'])}
    for command in commands(read('docs', 'networks.md')):
        script, *words = shlex.split(command)[1:]
        if '--nets' in words and script in mains:
            main, fewer = mains[script]
            main(words + fewer)
    record = load_json(os.path.join('shapes', 'zskd', 'result.json'))
    assert record['arguments']['method'] == 'ZSKD'
    assert set(record['inputs']) == {'dataset', 'teacher', 'impressions', 'nets'}
    assert 0 <= record['accuracy'] <= 100 and record['evaluated_on'] == 'test images'


def test_a_prior_and_a_column_are_added_as_the_page_says(tmp_path):
    """In a copy of the code: the prior has a flag and changes impressions, the column has jobs."""
    _, prior, source, row = snippets(read('docs', 'networks.md'))
    for name in ('nets', 'teachers', 'utils', 'pre_trained'):
        shutil.copytree(os.path.join(ROOT, name), str(tmp_path / name))
    for path in glob(os.path.join(ROOT, '*.py')):
        shutil.copy(path, str(tmp_path))
    (tmp_path / 'nets' / 'priors' / 'squared_differences.py').write_text(prior)
    insert(tmp_path / 'utils' / 'methods.py', "IMPRESSIONS = Source('ZSKD', True, 'DI')\n", after=source)
    insert(tmp_path / 'utils' / 'methods.py', ')}\nDISTILLATIONS', before=row)
    prior_command, table_command = [command for command in commands(read('docs', 'networks.md'))
                                    if 'squared_differences' in command or 'ZSKD_white' in command]
    script, *words = shlex.split(prior_command)[1:]
    subprocess.run([sys.executable, script, '--iterations=2', '--dataset=none', *words],
                   cwd=str(tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert load_json(str(tmp_path / 'DI' / 'DI-1.json'))['arguments']['squared_differences'] == 0.001
    plan = ('import sys, autotrain\nfrom utils.settings.flags import table_flags\n'
            'for job in autotrain.plan(table_flags(sys.argv[1:])[1]):\n    print(job.name, *job.command)')
    jobs = subprocess.check_output([sys.executable, '-c', plan, *shlex.split(table_command)[2:]],
                                   cwd=str(tmp_path), universal_newlines=True).splitlines()
    assert [job for job in jobs if job.startswith('DI_white-1') and '--start_blur=0.0' in job]
    assert [job for job in jobs if job.startswith('ZSKD_white-1') and 'DI_white' in job]


def insert(path, place, before='', after=''):
    text = path.read_text()
    assert place in text
    path.write_text(text.replace(place, before + place + after))


def test_a_data_set_of_ones_own_is_written_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippet, = snippets(read('docs', 'datasets.md'))
    images, labels = np.arange(6 * 10 * 12 * 3).reshape(6, 10, 12, 3).astype(np.uint8), np.arange(6) % 3
    exec(snippet, dict(train_images=images, train_labels=labels, test_images=images, test_labels=labels))
    opened = open_dataset('mine.npz', 'data')
    assert (opened.class_names, opened.image_shape) == (('circle', 'square', 'star'), (10, 12, 3))


def test_a_table_of_a_pair_of_ones_own_is_planned(shapes, monkeypatch):
    monkeypatch.chdir(shapes)
    command, = [command for command in commands(read('docs', 'networks.md'))
                if 'autotrain.py --nets' in command]
    args = flags.table_flags(shlex.split(command)[2:])[1]
    assert len(autotrain.plan(args)) == 6 and args.root == 'shapes-table'
