"""The results as a CSV file, a row per job, and as the published table."""
import csv
import io
import statistics

from tabulate import tabulate

FIRST_COLUMNS = ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
COLUMNS = {'Teacher': 'Teacher', 'Student': 'Student', 'Soft_logits': 'Soft-logits', 'ZSKD': 'ZSKD',
           'ZSKD_augment': 'ZSKD + augmentation'}


def table_row(result, run):
    """One job's row: {column: value}, from what its result file holds."""
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
    """The rows as the published table: mean accuracy in per cent, and the sample standard deviation
    where there are several runs."""
    lines = []
    for rate in sorted({float(row['rate']) for row in rows}, reverse=True):
        cells = [[float(row['accuracy']) for row in rows
                  if row['method'] == method and float(row['rate']) == rate] for method in COLUMNS]
        lines.append(['%g' % rate] + [_cell(values) for values in cells])
    return tabulate(lines, ['Rate'] + list(COLUMNS.values()), tablefmt='github', disable_numparse=True,
                    colalign=['right'] + ['center'] * len(COLUMNS)) + '\n' if lines else ''


def _cell(values):
    if not values:
        return '-'
    mean = '%.2f' % statistics.mean(values)
    return mean if len(values) == 1 else '%s ± %.2f' % (mean, statistics.stdev(values))
