"""Results: what a job's record says, when it still holds, and many of them as results.csv and as the published table."""
import csv
import functools
import io
import math
import os
import statistics
import sys

import cv2
import numpy as np
from tabulate import tabulate

from utils import recipes
from utils.datasets import digest
from utils.files import RunError, load_json, save_json, sha256
from utils.methods import METHODS

try:
    from importlib import metadata
except ImportError:  # before Python 3.8
    import importlib_metadata as metadata

FIRST_COLUMNS = ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
IMPRESSIONS = 'Impressions'  # the method of a row of theirs
PLACES = {'train_dir', 'save_path', 'data', 'dataset', 'teacher', 'impressions'}  # flags that say where, not what


@functools.lru_cache(maxsize=None)
def versions():
    """What computes a result: {'tensorflow': '1.13.2', ...}, without importing TensorFlow, which takes seconds."""
    try:
        tensorflow = metadata.version('tensorflow')
    except metadata.PackageNotFoundError:  # it was installed by another name, such as tensorflow-cpu
        from utils.graph_mode import tf
        tensorflow = tf.__version__
    return {'recipe_version': recipes.VERSION, 'python': '%d.%d' % sys.version_info[:2], 'tensorflow': tensorflow,
            'numpy': np.__version__, 'opencv': cv2.__version__}


def fingerprint(settings, inputs):
    """What a result depends on: {'arguments': all settings, 'inputs': {role: SHA-256}, 'versions': those above}.

    settings: a Namespace; inputs: {role: path, or name of a known data set}. Taken before a job reads its inputs.
    """
    return {'arguments': vars(settings), 'inputs': {role: digest(place) for role, place in inputs.items()},
            'versions': versions()}


def check_origin(inputs, digests):
    """Raises RunError where a record says that the impressions were made from another teacher than the student gets.

    inputs: {role: path}; digests: {role: SHA-256}. Impressions without a record of their own are taken with a notice.
    """
    path = inputs['impressions']
    record = load_json(os.path.splitext(path)[0] + '.json')
    try:
        is_of_file = record['outputs'][os.path.basename(path)] == digests['impressions']
        teacher = record['inputs']['teacher'] if is_of_file else None
    except (TypeError, KeyError):
        teacher = None
    if teacher is None:
        print('%r has no record that says which teacher it was made from; taken as it is' % path)
    elif teacher != digests['teacher']:
        raise RunError('%r was made from another teacher than %r; make it again, or give its own with --teacher'
                       % (path, inputs['teacher']))


def save_result(files, made_from, **values):
    """Writes a job's record, the last of its files: its fingerprint, what it made (by SHA-256), and ``values``."""
    save_json(files.result, dict(values, outputs=_digests(files.outputs), **made_from))


def finished_row(settings, files, run):
    """(the row of a job that is done, ''), or (None, why its record does not hold); '' where it has none.

    It is done if its record is whole, of these settings, inputs and versions, and its outputs are as they were. Where
    files lie does not matter, what is in them does.
    """
    record = load_json(files.result)
    if record is None:
        return None, ''
    now = fingerprint(settings, files.inputs)
    try:
        made_with = differences(_what(record), _what(now))
        if made_with:
            return None, 'made with ' + made_with
        changed = _changed(record['inputs'], now['inputs'])
        if changed:
            return None, 'made from another ' + ' and another '.join(changed)
        changed = _changed(record['outputs'], _digests(files.outputs))
        if changed:
            return None, ' and '.join(changed) + ' cannot be read or was altered'
        return table_row(record, run), ''
    except (TypeError, KeyError, AttributeError, ValueError):  # somebody's JSON, but no record
        return None, 'its record is damaged'


def differences(found, wanted):
    """What of {name: value} is not as wanted, in words: 'steps 24, not 12000, tensorflow 1.13.2, not 2.21.0'."""
    return ', '.join('%s %s, not %s' % (name, found.get(name, 'none'), wanted.get(name, 'none'))
                     for name in _changed(found, wanted))


def _changed(found, wanted):
    return sorted(name for name in {*found, *wanted} if found.get(name, 'none') != wanted.get(name, 'none'))


def _what(record):
    arguments = {name: value for name, value in record['arguments'].items() if name not in PLACES}
    return dict(arguments, **record['versions'])


def _digests(paths):
    return {os.path.basename(path): sha256(path) for path in paths}


def table_row(record, run):
    """One job's row: {column: value}, from its record; impressions have other figures than an accuracy.

    Raises KeyError, TypeError or ValueError for a record that somebody edited.
    """
    row, limits = dict(record['arguments'], **record['versions']), {'accuracy': 100, 'seconds': math.inf}
    if 'Rate' in row:
        row.update(method=IMPRESSIONS, rate=row.pop('Rate'))
        limits = {'kl': math.inf, 'targets_met': 100, 'seconds': math.inf}
    for name, most in limits.items():
        if not 0 <= record[name] <= most:  # nor NaN
            raise ValueError(name)
        row[name] = round(record[name], 1 if name == 'seconds' else 4)
    return dict(row, run=run)


def results_csv(rows):
    """The rows as CSV text: FIRST_COLUMNS, then everything else in the alphabet's order."""
    text = io.StringIO()
    others = sorted(set().union(*rows) - set(FIRST_COLUMNS))
    writer = csv.DictWriter(text, FIRST_COLUMNS + others, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def results_markdown(rows):
    """The rows of trainings as the published table: mean accuracy in per cent, and the sample standard deviation where
    there are several runs."""
    cells = {}
    for row in rows:
        if row['method'] in METHODS:
            cells.setdefault((float(row['rate']), row['method']), []).append(float(row['accuracy']))
    methods = [method for method in METHODS.values() if any(name == method.name for _, name in cells)]
    lines = [['%g' % rate] + [_cell(cells.get((rate, method.name), [])) for method in methods]
             for rate in sorted({rate for rate, _ in cells}, reverse=True)]
    return tabulate(lines, ['Rate'] + [method.label for method in methods], tablefmt='github',
                    disable_numparse=True, colalign=['right'] + ['center'] * len(methods)) + '\n' if lines else ''


def _cell(accuracies):
    if not accuracies:
        return '-'
    mean = '%.2f' % statistics.mean(accuracies)
    return mean if len(accuracies) == 1 else '%s ± %.2f' % (mean, statistics.stdev(accuracies))
