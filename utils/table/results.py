"""Results of many jobs: as results.csv, and as the published table."""
import csv
import io
import statistics

from tabulate import tabulate

from utils.files import RunError, read_bytes
from utils.settings.methods import METHODS

FIRST_COLUMNS = ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']


def results_csv(rows):
    """The rows as CSV text: FIRST_COLUMNS, then everything else in the alphabet's order."""
    text = io.StringIO()
    others = sorted(set().union(*rows) - set(FIRST_COLUMNS))
    writer = csv.DictWriter(text, FIRST_COLUMNS + others, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_results(path):
    """[{column: text}] of a results.csv; also of one that a spreadsheet has saved.

    A byte order mark, any line ends, and semicolons with decimal commas are read. Raises RunError where the
    file cannot be read, or a row is none of autotrain.py's.
    """
    lines = read_bytes(path).decode('utf-8-sig', errors='replace').splitlines() or ['']
    separator = max(',;\t', key=lines[0].count)
    try:
        rows = list(csv.DictReader(lines, delimiter=separator, strict=True, restval=''))
        for row in rows:
            for name in {'rate', 'accuracy', 'agreement'} & set(row):
                row[name] = row[name].replace(',', '.')
        by_method(rows)
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise RunError('%r is not a results.csv of autotrain.py (%s)' % (path, error)) from error
    return rows


def by_method(rows):
    """{method: {rate: [accuracy or agreement of every run, in per cent]}} of the trainings among the rows.

    Raises KeyError or ValueError for a row that is none of a table.
    """
    found = {}
    for row in rows:
        if row['method'] in METHODS:
            figure = row['agreement'] if row.get('accuracy') in ('', None) else row['accuracy']
            rate, figure = float(row['rate']), float(figure)
            if not (0 < rate <= 100 and 0 <= figure <= 100):
                raise ValueError('rate %s, figure %s' % (rate, figure))
            found.setdefault(row['method'], {}).setdefault(rate, []).append(figure)
    return found


def by_agreement(rows):
    """The methods among the rows whose figure is the agreement with their teacher."""
    return {row['method'] for row in rows if row.get('agreement') not in ('', None)}


def by_holdout(rows):
    """The methods among the rows whose figure is the accuracy on held-out training images."""
    return {row['method'] for row in rows if row.get('holdout') not in (None, '', '0', 0)}


def results_markdown(rows):
    """The rows of trainings as the published table.

    A cell is the mean accuracy in per cent, with the sample standard deviation where there are several runs.
    Where there is no data set it is the agreement with the teacher, with --holdout the validation accuracy,
    and the column's header says so.
    """
    found, agreeing, held_out = by_method(rows), by_agreement(rows), by_holdout(rows)
    methods = [method for method in METHODS.values() if method.name in found]
    labels = [method.label + ' (agreement)' * (method.name in agreeing)
              + ' (validation)' * (method.name in held_out) for method in methods]
    lines = [['%g' % rate] + [cell(found[method.name].get(rate, [])) for method in methods]
             for rate in sorted(set().union(*found.values()), reverse=True)]
    if not lines:
        return ''
    return tabulate(lines, ['Rate'] + labels, tablefmt='github', disable_numparse=True,
                    colalign=['right'] + ['center'] * len(methods)) + '\n'


def cell(values):
    """The mean of the values with their sample standard deviation, as text; '-' where there are none."""
    if not values:
        return '-'
    mean = '%.2f' % statistics.mean(values)
    return mean if len(values) == 1 else '%s ± %.2f' % (mean, statistics.stdev(values))
