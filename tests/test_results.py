"""Results of many jobs, as results.csv and as the published table."""
import csv

import pytest

from utils.files import RunError, save_text
from utils.records.records import fingerprint, finished_row
from utils.table.results import read_results, results_csv, results_markdown


def test_csv_has_its_first_columns_every_argument_and_version(job, tmp_path):
    row, _ = finished_row(job.settings, job.files, run=3)
    other = dict(method='Student', rate=100.0, run=0, seed=0, accuracy=99.0, seconds=1.5,
                 zebra='a,"b"', apple=1)
    versions = fingerprint(job.settings, {})['versions']
    save_text(str(tmp_path / 'results.csv'), results_csv([row, other]))
    with open(str(tmp_path / 'results.csv'), newline='') as file:
        reader = csv.DictReader(file)
        first, second = reader
    assert reader.fieldnames[:6] == ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
    assert reader.fieldnames[6:] == sorted(
        (set(vars(job.settings)) | set(versions) | {'zebra', 'apple'}) - set(reader.fieldnames[:6]))
    assert [first[name] for name in reader.fieldnames[:6]] == ['ZSKD', '1.0', '3', '0', '98.5', '12.0']
    assert first['learning_rate'] == '0.01' and first['zebra'] == ''
    assert second['zebra'] == 'a,"b"' and second['learning_rate'] == ''


def test_markdown_shows_mean_and_sample_standard_deviation():
    rows = [dict(method=method, rate=rate, accuracy=accuracy) for method, rate, accuracy in (
        ('Teacher', 100, 99.0), ('Student', 100.0, '98.5'), ('ZSKD', 1, 92.0), ('ZSKD', 1, 94.0),
        ('ZSKD', 2.5, 96.0), ('ZSKD_augment', 1, 95.123),
        ('Soft_logits', 40, 97.0), ('Soft_logits', 40, 97.0), ('Soft_logits', 40, 97.3),
        ('Impressions', 3, ''))]
    head, ruler, *lines = [[cell.strip() for cell in line.strip('|').split('|')]
                           for line in results_markdown(rows).rstrip('\n').split('\n')]
    assert head == ['Rate', 'Teacher', 'Student', 'Soft-logits', 'ZSKD', 'ZSKD + augmentation']
    assert len(ruler) == 6 and all(set(cell) <= set('-:') for cell in ruler)
    assert lines == [['100', '99.00', '98.50', '-', '-', '-'],
                     ['40', '-', '-', '97.10 ± 0.17', '-', '-'],
                     ['2.5', '-', '-', '-', '96.00', '-'],
                     ['1', '-', '-', '-', '93.00 ± 1.41', '95.12']]


def test_a_column_of_held_out_images_says_so():
    rows = [dict(method='Teacher', rate=100, accuracy=99, holdout='0'),
            dict(method='ZSKD', rate=1, accuracy=97, holdout='3000')]
    assert '| Teacher |' in results_markdown(rows).replace('  ', ' ')
    assert '| ZSKD (validation) |' in results_markdown(rows).replace('  ', ' ')


@pytest.mark.parametrize('measure', ['accuracy', 'agreement'])
def test_a_figure_of_zero_is_one(measure):
    rows = [{'method': 'ZSKD', 'rate': 1, measure: value} for value in (0.0, 0.0)]
    header, _, line = results_markdown(rows).splitlines()
    assert '0.00 ± 0.00' in line and ('agreement' in header) == (measure == 'agreement')


@pytest.mark.parametrize('rows, said', [('ZSKD,1,97\nZSKD,1,nan', 'figure nan'), ('ZSKD,1,', 'agreement'),
                                        ('ZSKD,inf,97', 'rate inf'), ('ZSKD,one,97', 'one')])
def test_rows_of_no_table_are_one_line(tmp_path, rows, said):
    (tmp_path / 'mine.csv').write_text('method,rate,accuracy\n%s\n' % rows)
    with pytest.raises(RunError, match="mine.csv' is not a results.csv of autotrain.py .*%s" % said) as error:
        read_results(str(tmp_path / 'mine.csv'))
    assert '\n' not in str(error.value)
