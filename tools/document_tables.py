"""Writes the tables and the marked numbers of the documents from the records in results/ and the recipes.

    python tools/document_tables.py

Below <!-- table: NAME --> it writes a table of TABLES. Before <!-- = RECORD METHOD RATE --> it writes a cell
of one of RECORDS, and before <!-- = RECORD METHOD RATE - METHOD RATE --> the difference of two.
tests/test_docs.py fails where a document is not as this would write it.
"""
import csv
import os
import re
import statistics
import sys
from functools import partial
from glob import glob

from tabulate import tabulate

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from utils.console import run
from utils.data.datasets import count
from utils.files import REPOSITORY, read_bytes, save_text
from utils.settings import hyper_parameters, recipes
from utils.settings.job_settings import synthesis_rows
from utils.settings.methods import METHODS
from utils.settings.parser import Parser
from utils.table.results import by_method, cell, read_results, results_markdown

TABLE_MARK = re.compile(r'(<!-- table: (\S+) -->\n)((?:\|.*\n)*)')
NUMBER_MARK = re.compile(r'(-?[\d.]+( ± [\d.]+)?)(?=<!-- = (.*?) -->)')
# Means of five that sseung0703's implementation reports: {rate: {method: mean}}.
PUBLISHED_METHODS = ['Teacher', 'Student', 'Soft_logits', 'ZSKD']
PUBLISHED = {100: {'Teacher': 99.06, 'Student': 98.52}, 40: {'Soft_logits': 89.78, 'ZSKD': 97.92},
             25: {'Soft_logits': 91.64, 'ZSKD': 97.35}, 10: {'Soft_logits': 93.08, 'ZSKD': 96.69},
             5: {'Soft_logits': 88.43, 'ZSKD': 91.31}, 1: {'Soft_logits': 70.02, 'ZSKD': 92.15}}


def main(argv=None):
    Parser(prog='document_tables.py', description=__doc__).parse_args(argv)
    for path in documents():
        text = read_bytes(path).decode()
        if updated(text) != text:
            save_text(path, updated(text))
            print(path)


def documents():
    """The paths of the documents that can hold tables."""
    return sorted(glob(os.path.join(REPOSITORY, 'docs', '*.md'))) + [os.path.join(REPOSITORY, 'README.md')]


def updated(text):
    """A document's text with every marked table and number as it should be."""
    text = TABLE_MARK.sub(lambda match: match.group(1) + TABLES[match.group(2)]().rstrip('\n') + '\n', text)
    return NUMBER_MARK.sub(lambda match: figure(match.group(3), match.group(2)), text)


def figure(mark, deviation=None):
    """The number of a mark as text: a mean, with its standard deviation if asked for, or a difference."""
    name, *cells = re.match(r'(\S+) (\S+) (\S+)(?: - (\S+) (\S+))?$', mark).groups()
    found = by_method(RECORDS[name]())
    first, *others = [found[method][float(rate)] for method, rate in zip(cells[::2], cells[1::2]) if method]
    text = '%.2f' % (float(mean(first)) - sum(float(mean(other)) for other in others))
    return '%s ± %.2f' % (text, statistics.stdev(first)) if deviation else text


def record(name, all_jobs=False):
    """The rows of a results.csv of results/: its trainings, or all jobs."""
    rows = read_results(os.path.join(REPOSITORY, 'results', name))
    return [row for row in rows if all_jobs or row['accuracy']]


def with_augmentation(name, dataset):
    """The rows of a record and those that fair.csv adds: every method, without and with augmentation."""
    return record(name) + [row for row in record('fair.csv') if row['dataset'] == dataset
                           and METHODS[row['method']].augment]


def comparison():
    """Published / the published recipe here / the default recipe here; - where nothing was measured."""
    records, lines = [by_method(record(name)) for name in ('published.csv', 'results.csv')], []
    for rate, published in PUBLISHED.items():
        cells = [['%.2f' % published[method]] + [mean(found[method].get(rate, [])) for found in records]
                 if method in published else '-' for method in PUBLISHED_METHODS]
        lines.append([rate] + [' / '.join(cell) for cell in cells])
    return github(lines, ['Rate'] + labels(PUBLISHED_METHODS), colalign=['right'] + ['center'] * 4)


def mean(accuracies):
    return '%.2f' % statistics.mean(accuracies) if accuracies else '-'


def shown(values):
    """The values of a hyper-parameter over the rates as one text: '0.01', or '2344 to 93751'."""
    texts = ['%.4g' % value if isinstance(value, float) else str(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else '%s to %s' % (texts[0], texts[-1])


def training_columns(recipe, methods):
    """{method: {hyper-parameter: text}} of LeNet-5's training in a recipe, over the rates 1 to 40."""
    columns = {}
    for name in methods:
        rows = [recipes.training(recipe, name, count(rate))
                for rate in (recipes.RATES if METHODS[name].has_teacher else [100])]
        columns[name] = {key: shown([row[key] for row in rows]) for key in rows[0]}
    return columns


def recorded_columns(name):
    """The same of all jobs of a record, impressions among them, over its rates."""
    jobs, columns = {}, {}
    for row in sorted(record(name, all_jobs=True), key=lambda row: float(row['rate'])):
        jobs.setdefault(row['method'], []).append(row)
    for method, rows in jobs.items():
        texts = {key: [re.sub(r'\.0$', '', row[key]) for row in rows] for key in rows[0]}
        columns[method] = {key: shown(values) for key, values in texts.items() if values[0]}
    return columns


def training_table(columns, methods, leave_out=()):
    return github([[name.replace('_', ' ')] + [columns[method].get(name, '-') for method in methods]
                   for name in hyper_parameters.TRAINING if name not in leave_out], [''] + labels(methods))


def training_changes():
    before, here = [training_columns(recipe, PUBLISHED_METHODS) for recipe in ('published', 'default')]
    columns = {method: {name: change(before[method].get(name, '-'), here[method].get(name, '-'))
                        for name in hyper_parameters.TRAINING} for method in PUBLISHED_METHODS}
    return training_table(columns, PUBLISHED_METHODS, hyper_parameters.AUGMENTATION)


def synthesis_column(recipe):
    """{hyper-parameter: text} of LeNet-5's impressions in a recipe, over the rates 1 to 40."""
    rows = synthesis_rows(recipe)
    return {key: shown([row[key] for row in rows]) for key in rows[0] if key}


def synthesis_changes(before, here, only_changes=False):
    rows = [['`--%s`' % name, change(before[name], here.get(name, before[name])),
             row.meaning.replace('|', '\\|')] for name, row in hyper_parameters.SYNTHESIS.items()]
    return github([row for row in rows if not only_changes or '→' in row[1]], ['flag', 'value', 'meaning'])


def change(before, here):
    return before if before == here else '%s → %s' % (before, here)


def labels(methods):
    return [METHODS[method].label for method in methods]


def int8_table():
    """A line per network of int8.csv: accuracies, and size and time of float → int8 by impressions."""
    networks = {}
    with open(os.path.join(REPOSITORY, 'results', 'int8.csv')) as file:
        for row in csv.DictReader(file):
            networks.setdefault(row['network'], {})[row['quantised']] = row
    pairs = {name: (ways['float'], ways['impressions']) for name, ways in networks.items()}
    return github([[name, *[ways[way]['accuracy'] for way in INT8_WAYS],
                    '%.0f → %.0f' % tuple(float(row['bytes']) / 1000 for row in pairs[name]),
                    '%.3f → %.3f' % tuple(float(row['milliseconds']) for row in pairs[name])]
                   for name, ways in networks.items()], ['', *INT8_WAYS, 'kB', 'ms per image'])


def zoo_table():
    """A line per teacher of zoo_before.csv and zoo.csv: its accuracies, and those of its students."""
    halves, figures, texts = {}, {}, {}
    for name in ('zoo_before.csv', 'zoo.csv'):
        with open(os.path.join(REPOSITORY, 'results', name)) as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            teacher = row['teacher']
            halves[teacher] = row['half']
            trainings = {float(other['teacher_test']) for other in rows if other['teacher'] == teacher}
            texts[teacher, name] = ', '.join('%.2f' % accuracy for accuracy in sorted(trainings))
            column = '%s %s %s' % (row['method'], row.get('setting', 'now'), row['rate'])
            figures.setdefault((teacher, column), []).append(float(row['accuracy_test']))
    texts.update((place, cell(values)) for place, values in figures.items())
    return github([[teacher, half, *[texts.get((teacher, column), '-') for column in ZOO]]
                   for teacher, half in halves.items()], ['', 'half', *ZOO.values()])


def github(lines, head, **options):
    return tabulate(lines, head, tablefmt='github', disable_numparse=True, **options)


INT8_WAYS = 'float', 'impressions', 'real images', 'noise', 'weights alone'
ZOO = {'zoo_before.csv': 'teacher then', 'ZSKD default 1.0': 'before, 1', 'ZSKD default 10.0': 'before, 10',
       'zoo.csv': 'teacher', 'ZSKD now 1.0': 'now, 1', 'ZSKD now 10.0': 'now, 10', 'ZSKD now 20.0': 'now, 20',
       'Soft_logits now 10.0': 'soft-logits, 10'}
AUGMENTED = [name for name in METHODS if METHODS[name].augment]
CIFAR10 = [name for name in METHODS if name in recorded_columns('cifar10.csv')]
RECORDS = {'mnist': partial(with_augmentation, 'results.csv', 'mnist'),
           'fashion-mnist': partial(with_augmentation, 'fashion_mnist.csv', 'fashion_mnist'),
           **{name: partial(record, name + '.csv')
              for name in ('cifar10', 'published', 'published_teacher', 'published_without_class_0')}}
TABLES = {
    'mnist': lambda: results_markdown(record('results.csv')),
    'mnist-tensorflow-2': lambda: results_markdown(record('results_tf2.csv')),
    'fashion-mnist': lambda: results_markdown(record('fashion_mnist.csv')),
    'cifar10': lambda: results_markdown(record('cifar10.csv')),
    'cifar10-600': lambda: results_markdown(record('cifar10_600.csv')),
    'fair-mnist': lambda: results_markdown(RECORDS['mnist']()),
    'fair-fashion-mnist': lambda: results_markdown(RECORDS['fashion-mnist']()),
    'comparison': comparison,
    'training-changes': training_changes,
    'synthesis-changes': lambda: synthesis_changes(*map(synthesis_column, ['published', 'default'])),
    'augmentation': lambda: training_table(training_columns('default', AUGMENTED), AUGMENTED),
    'int8': int8_table,
    'zoo': zoo_table,
    'cifar10-training': lambda: training_table(recorded_columns('cifar10.csv'), CIFAR10),
    'cifar10-synthesis': lambda: synthesis_changes(
        synthesis_column('default'), recorded_columns('cifar10.csv')['Impressions'], only_changes=True),
}

if __name__ == '__main__':
    run(main)
