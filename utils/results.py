"""Results: what a job's record says, when it still holds, and many of them as results.csv and as the published table."""
import csv
import io
import os
import statistics

from tabulate import tabulate

from utils.files import RunError, load_json, save_json, sha256
from utils.methods import METHODS

FIRST_COLUMNS = ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
PLACES = {'train_dir', 'save_path', 'data', 'teacher', 'impressions'}  # flags that say where, not what


def fingerprint(settings, inputs):
    """What a result depends on: {'arguments': all settings, 'inputs': {role: SHA-256 of the file}}.

    settings: a Namespace; inputs: {role: path}. Taken before a job reads its inputs.
    """
    return {'arguments': vars(settings), 'inputs': {role: sha256(path) for role, path in inputs.items()}}


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


def load_result(settings, files):
    """The record of a job if it is whole, of these settings and inputs, and its outputs are as they were; else None.

    Where files lie does not matter, what is in them does.
    """
    result = load_json(files.result)
    try:
        if _what(result['arguments']) == _what(vars(settings)) and result['outputs'] == _digests(files.outputs) \
                and result['inputs'] == fingerprint(settings, files.inputs)['inputs']:
            return result
    except (TypeError, KeyError, AttributeError):  # somebody's JSON, but no record
        pass
    return None


def _what(arguments):
    return {name: value for name, value in arguments.items() if name not in PLACES}


def _digests(paths):
    return {os.path.basename(path): sha256(path) for path in paths}


def table_row(result, run):
    """One job's row: {column: value}, from its record."""
    return dict(result['arguments'], run=run, accuracy=result['accuracy'], seconds=round(result['seconds'], 1))


def results_csv(rows):
    """The rows as CSV text: FIRST_COLUMNS, then every other argument in the alphabet's order."""
    text = io.StringIO()
    others = sorted(set().union(*rows) - set(FIRST_COLUMNS))
    writer = csv.DictWriter(text, FIRST_COLUMNS + others, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def results_markdown(rows):
    """The rows as the published table: mean accuracy in per cent, and the sample standard deviation where there are
    several runs."""
    cells = {}
    for row in rows:
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
