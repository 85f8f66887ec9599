"""Results of many jobs: as results.csv, and as the published table."""
import csv
import io
import statistics

from tabulate import tabulate

from utils.methods import METHODS

FIRST_COLUMNS = ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']


def results_csv(rows):
    """The rows as CSV text: FIRST_COLUMNS, then everything else in the alphabet's order."""
    text = io.StringIO()
    others = sorted(set().union(*rows) - set(FIRST_COLUMNS))
    writer = csv.DictWriter(text, FIRST_COLUMNS + others, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def results_markdown(rows):
    """The rows of trainings as the published table.

    A cell is the mean accuracy in per cent, with the sample standard deviation where there are several runs.
    Where there is no data set it is the agreement with the teacher, and the column's header says so.
    """
    cells, by_agreement = {}, set()
    for row in rows:
        if row['method'] in METHODS:
            figure = row['agreement'] if 'agreement' in row else row['accuracy']
            cells.setdefault((float(row['rate']), row['method']), []).append(float(figure))
            if 'agreement' in row:
                by_agreement.add(row['method'])
    methods = [method for method in METHODS.values() if any(name == method.name for _, name in cells)]
    labels = [method.label + ' (agreement)' * (method.name in by_agreement) for method in methods]
    lines = [['%g' % rate] + [_cell(cells.get((rate, method.name), [])) for method in methods]
             for rate in sorted({rate for rate, _ in cells}, reverse=True)]
    if not lines:
        return ''
    return tabulate(lines, ['Rate'] + labels, tablefmt='github', disable_numparse=True,
                    colalign=['right'] + ['center'] * len(methods)) + '\n'


def _cell(accuracies):
    if not accuracies:
        return '-'
    mean = '%.2f' % statistics.mean(accuracies)
    return mean if len(accuracies) == 1 else '%s ± %.2f' % (mean, statistics.stdev(accuracies))
