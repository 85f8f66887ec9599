"""Writes the tables of the documents from the records in results/ and from the recipes.

    python tools/document_tables.py

A line such as <!-- table: mnist --> says where a table goes. The lines below that begin with | are replaced.
tests/test_docs.py fails where a document is not as this would write it.
"""
import csv
import math
import os
import re
import statistics
import sys
from glob import glob

from tabulate import tabulate

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from utils.console import run
from utils.data.datasets import count
from utils.files import save_text
from utils.settings import hyper_parameters, recipes
from utils.settings.job_settings import synthesis_rows
from utils.settings.methods import METHODS, TABLE
from utils.settings.parser import Parser
from utils.table.results import by_method, results_markdown

DOCUMENTS = ['README.md', 'docs/*.md']
MARKED = re.compile(r'(<!-- table: (\S+) -->\n)((?:\|.*\n)*)')
# Means of five that sseung0703's implementation reports: of teacher and student alone, or of soft-logits and
# ZSKD.
PUBLISHED = {100: [99.06, 98.52], 40: [89.78, 97.92], 25: [91.64, 97.35], 10: [93.08, 96.69],
             5: [88.43, 91.31], 1: [70.02, 92.15]}
PUBLISHED_METHODS = ['Teacher', 'Student', 'Soft_logits', 'ZSKD']


def main(argv=None):
    Parser(prog='document_tables.py', description=__doc__).parse_args(argv)
    for path in documents():
        with open(path, encoding='utf-8') as file:
            text = file.read()
        if with_tables(text) != text:
            save_text(path, with_tables(text))
            print(path)


def documents():
    """The paths of the documents that can hold tables."""
    return sorted(path for pattern in DOCUMENTS for path in glob(os.path.join(ROOT, pattern)))


def with_tables(text):
    """A document's text with every marked table as it should be."""
    return MARKED.sub(lambda match: match.group(1) + TABLES[match.group(2)]().rstrip('\n') + '\n', text)


def record(name):
    """The rows of the trainings in a results.csv of results/."""
    return [row for row in every_row(name) if row['accuracy']]


def every_row(name):
    with open(os.path.join(ROOT, 'results', name), newline='') as file:
        return list(csv.DictReader(file))


def means(name):
    """{(method, rate): mean accuracy} of a record."""
    return {(method, rate): statistics.mean(accuracies)
            for method, rates in by_method(record(name)).items() for rate, accuracies in rates.items()}


def beside_copies(name, dataset):
    """The table of a record with the columns that fair.csv adds: all methods, plain and with copies."""
    return results_markdown(record(name) + [row for row in record('fair.csv') if row['dataset'] == dataset
                                            and METHODS[row['method']].augment])


def comparison():
    """Published / the published recipe here / the default recipe here; - where nothing was measured."""
    records, lines = [means('published.csv'), means('results.csv')], []
    for rate, values in PUBLISHED.items():
        published = dict(zip(PUBLISHED_METHODS[:2] if rate == 100 else PUBLISHED_METHODS[2:], values))
        cells = [[published.get(method)] + [found.get((method, rate)) for found in records]
                 for method in PUBLISHED_METHODS]
        lines.append([rate] + [' / '.join('-' if value is None else '%.2f' % value for value in cell)
                               if cell[0] else '-' for cell in cells])
    return github(lines, ['Rate'] + [METHODS[method].label for method in PUBLISHED_METHODS],
                  colalign=['right'] + ['center'] * 4)


def missing_class():
    """Published soft-logits / the published recipe here on a sample without class 0 / with it."""
    without, whole = means('published_without_class_0.csv'), means('published.csv')
    return github([['%g' % rate, '%.2f' % PUBLISHED[rate][0], '%.2f' % mean, '%.2f' % whole[method, rate]]
                   for (method, rate), mean in sorted(without.items(), reverse=True)],
                  ['Rate', 'published', 'here, without class 0', 'here, with class 0'])


def sample_defect():
    with open(os.path.join(ROOT, 'results', 'sample_defect.csv')) as file:
        head, *lines = csv.reader(file, delimiter=';')
    return github(lines, head)


def workers(name):
    """[seconds of a run, its longest chain, workers that help 5 and 1,000 runs], from a record."""
    seconds = {}
    for row in every_row(name):
        seconds.setdefault((row['method'], float(row['rate'])), []).append(float(row['seconds']))
    seconds = {job: statistics.mean(times) for job, times in seconds.items()}
    student = max(seconds['ZSKD', 40], seconds.get(('ZSKD_augment', 40), 0))
    chain = [seconds['Teacher', 100], seconds['Impressions', 40], student]
    total, longest = sum(seconds.values()), max(sum(chain), seconds['Student', 100])
    return ['{:,.0f} s in {} jobs'.format(total, len(seconds)),
            '{:,.0f} s: {:,.0f} + {:,.0f} + {:,.0f}'.format(longest, *chain),
            '%d' % math.ceil(5 * total / longest), '{:,.0f}'.format(round(1000 * total / longest, -2))]


def workers_table():
    rows = [[recipe + ' recipe', *workers(name)]
            for recipe, name in (('default', 'results.csv'), ('published', 'published.csv'))]
    return github(rows, ['', 'one run', 'its longest chain', 'workers for 5 runs',
                         'workers for 1,000 runs'])


def shown(values):
    """The values of a hyper-parameter over the rates as one text: '0.01', or '2344 to 93751'."""
    texts = ['%.4g' % value if isinstance(value, float) else str(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else '%s to %s' % (texts[0], texts[-1])


def training_columns(recipe, nets, methods):
    """{method: {hyper-parameter: text}} of a recipe, over the rates 1 to 40."""
    columns = {}
    for name in methods:
        rows = [recipes.training(recipe, name, count(rate), nets)
                for rate in (recipes.RATES if METHODS[name].has_teacher else [100])]
        columns[name] = {key: shown([row[key] for row in rows]) for key in rows[0]}
    return columns


def synthesis_column(recipe, nets='lenet'):
    rows = synthesis_rows(recipe, nets)
    return {key: shown([row[key] for row in rows]) for key in rows[0] if key}


def changes(published, here):
    return published if published == here else '%s → %s' % (published, here)


def training_changes():
    before, here = [training_columns(recipe, 'lenet', PUBLISHED_METHODS)
                    for recipe in ('published', 'default')]
    return github([[readable(name)] + [changes(before[method].get(name, '-'), here[method].get(name, '-'))
                                       for method in PUBLISHED_METHODS]
                   for name in hyper_parameters.TRAINING if name not in hyper_parameters.AUGMENTATION],
                  [''] + [METHODS[method].label for method in PUBLISHED_METHODS])


def synthesis_changes():
    before, here = synthesis_column('published'), synthesis_column('default')
    return github([['`--%s`' % name, changes(before[name], here[name]), meaning(row)]
                   for name, row in hyper_parameters.SYNTHESIS.items()], ['flag', 'value', 'meaning'])


def synthesis_of(nets):
    """What a pair's impressions are made with where LeNet-5's are made with something else."""
    lenet, here = synthesis_column('default'), synthesis_column('default', nets)
    return github([['`--%s`' % name, changes(lenet[name], here[name]), meaning(row)]
                   for name, row in hyper_parameters.SYNTHESIS.items() if lenet[name] != here[name]],
                  ['flag', 'LeNet-5 → here', 'meaning'])


def training_values(nets, methods):
    columns = training_columns('default', nets, methods)
    lines = [[readable(name)] + [columns[method].get(name, '-') for method in methods]
             for name in hyper_parameters.TRAINING]
    return github(lines, [''] + [METHODS[method].label for method in methods])


def training_flags():
    return github([['`--%s`' % name, meaning(row)] for name, row in hyper_parameters.TRAINING.items()],
                  ['flag', 'meaning'])


def meaning(row):
    """The meaning of a hyper-parameter as the cell of a table."""
    return row.meaning.replace('|', '\\|')


def readable(name):
    return name.replace('_', ' ')


def github(lines, head, **options):
    return tabulate(lines, head, tablefmt='github', disable_numparse=True, **options)


TABLES = {
    'mnist': lambda: results_markdown(record('results.csv')),
    'mnist-tensorflow-2': lambda: results_markdown(record('results_tf2.csv')),
    'fashion-mnist': lambda: results_markdown(record('fashion_mnist.csv')),
    'cifar10': lambda: results_markdown(record('cifar10.csv')),
    'comparison': comparison,
    'missing-class': missing_class,
    'sample-defect': sample_defect,
    'workers': workers_table,
    'training-changes': training_changes,
    'synthesis-changes': synthesis_changes,
    'augmentation': lambda: training_values('lenet', [name for name in METHODS if METHODS[name].augment]),
    'fair-mnist': lambda: beside_copies('results.csv', 'mnist'),
    'fair-fashion-mnist': lambda: beside_copies('fashion_mnist.csv', 'fashion_mnist'),
    'alexnet-training': lambda: training_values('alexnet', TABLE),
    'alexnet-synthesis': lambda: synthesis_of('alexnet'),
    'training-flags': training_flags,
}

if __name__ == '__main__':
    run(main)
