"""Records of jobs: when one still holds; and many of them as results.csv and as the table."""
import csv
import os
import subprocess
import sys
from argparse import Namespace

import pytest

from conftest import ROOT, forbidden
from utils import recipes, results
from utils.datasets import DATASETS
from utils.files import RunError, load_json, save_json, save_text
from utils.flags import synthesis_flags, training_flags
from utils.layout import synthesis_files, training_files
from utils.results import check_origin, fingerprint, finished_row, results_csv, results_markdown, save_result, versions


@pytest.fixture
def job(tmp_path):
    """A training that has just ended: its settings and its Files, all of them written."""
    flags = ['--Distillation=ZSKD-1', '--train_dir', tmp_path / 'out', '--teacher', tmp_path / 'teacher.mat',
             '--impressions', tmp_path]
    settings = training_flags([str(flag) for flag in flags])
    files = training_files(settings)
    for path in [files.inputs['teacher'], files.inputs['impressions'], *files.outputs]:
        save_text(path, 'content of ' + os.path.basename(path))
    save_result(files, fingerprint(settings, files.inputs), accuracy=98.5, seconds=12.0)
    return Namespace(settings=settings, files=files)


def done(settings, files):
    """The row of a job that is done."""
    row, why = finished_row(settings, files, run=0)
    assert row is not None and why == ''
    return row


def why_not(settings, files):
    """Why the record of a job does not hold."""
    row, why = finished_row(settings, files, run=0)
    assert row is None
    return why


def with_settings(job, **changes):
    settings = Namespace(**dict(vars(job.settings), **changes))
    return settings, training_files(settings)


def edit(job, change):
    """Changes the record of a job as somebody with an editor would."""
    record = load_json(job.files.result)
    change(record)
    save_json(job.files.result, record)


def test_a_record_holds_what_its_result_depends_on(job):
    assert done(job.settings, job.files)['accuracy'] == 98.5
    record = load_json(job.files.result)
    assert record['accuracy'] == 98.5 and record['seconds'] == 12.0
    assert record['arguments'] == vars(job.settings)
    assert set(record['inputs']) == {'dataset', 'teacher', 'impressions'}
    assert set(record['outputs']) == {'train_params.mat', 'best_params.mat'}
    assert record['versions'] == versions()


def test_versions_are_those_that_compute():
    import cv2
    import numpy as np
    import tensorflow as tf
    assert versions() == {'recipe_version': recipes.VERSION, 'python': '%d.%d' % sys.version_info[:2],
                          'tensorflow': tf.__version__, 'numpy': np.__version__, 'opencv': cv2.__version__}


def test_tensorflow_by_another_name(monkeypatch):
    def version(name):
        raise results.metadata.PackageNotFoundError(name)

    expected = versions()
    monkeypatch.setattr(results.metadata, 'version', version)
    assert versions.__wrapped__() == expected


def test_a_table_is_planned_without_tensorflow():
    code = 'import sys, autotrain; from utils.results import versions; versions(); sys.exit("tensorflow" in sys.modules)'
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)


def test_files_may_move(job, tmp_path):
    os.rename(str(tmp_path / 'out'), str(tmp_path / 'moved'))
    os.rename(str(tmp_path / 'teacher.mat'), str(tmp_path / 'renamed.mat'))
    assert done(*with_settings(job, train_dir=str(tmp_path / 'moved'), data='elsewhere',
                               teacher=str(tmp_path / 'renamed.mat')))['accuracy'] == 98.5


@pytest.mark.parametrize('changes, said', [
    (dict(seed=1), 'seed 0, not 1'), (dict(steps=7, batch_size=9), 'batch_size 16, not 9, steps 8000, not 7'),
    (dict(recipe='published'), 'recipe default, not published'), (dict(threads=2), 'threads 1, not 2'),
    (dict(another=1), 'another none, not 1')], ids=str)
def test_other_settings_are_another_job(job, changes, said):
    assert why_not(*with_settings(job, **changes)) == 'made with ' + said


def test_a_setting_that_is_gone_is_another_job(job):
    del job.settings.temperature
    assert why_not(job.settings, job.files) == 'made with temperature 20.0, not none'


@pytest.mark.parametrize('name, other', [('tensorflow', '9.9'), ('numpy', '9.9'), ('opencv', '9.9'), ('python', '9.9'),
                                         ('recipe_version', 0)])
def test_other_versions_are_another_job(job, name, other):
    edit(job, lambda record: record['versions'].update({name: other}))
    assert why_not(job.settings, job.files) == 'made with %s %s, not %s' % (name, other, versions()[name])


def test_another_data_set_is_another_job(job):
    assert why_not(*with_settings(job, dataset='fashion_mnist')) == 'made from another dataset'
    assert why_not(*with_settings(job, dataset='none')) == 'made from another dataset'
    assert len({fingerprint(job.settings, {'dataset': name})['inputs']['dataset'] for name in DATASETS}) == len(DATASETS)


@pytest.mark.parametrize('role', ['teacher', 'impressions', 0, 1])
@pytest.mark.parametrize('change', [os.unlink, lambda path: save_text(path, 'something else')], ids=['gone', 'changed'])
def test_a_file_that_is_gone_or_changed_is_another_job(job, role, change):
    paths = {**dict(enumerate(job.files.outputs)), **job.files.inputs}
    change(paths[role])
    assert why_not(job.settings, job.files) == (
        'made from another ' + role if role in job.files.inputs else
        os.path.basename(paths[role]) + ' cannot be read or was altered')


def test_an_input_that_changed_while_the_job_ran(job):
    """What was read before the change is not what is there now."""
    made_from = fingerprint(job.settings, job.files.inputs)
    save_text(job.files.inputs['teacher'], 'a new teacher')
    save_result(job.files, made_from, accuracy=98.5, seconds=1.0)
    assert why_not(job.settings, job.files) == 'made from another teacher'
    save_result(job.files, fingerprint(job.settings, job.files.inputs), accuracy=98.6, seconds=1.0)
    assert done(job.settings, job.files)['accuracy'] == 98.6


def test_a_data_set_of_ones_own_that_changed(job, tmp_path):
    """It is known by its content, wherever it lies."""
    save_text(str(tmp_path / 'mine.npz'), 'images')
    settings, files = with_settings(job, dataset=str(tmp_path / 'mine.npz'))
    save_result(files, fingerprint(settings, files.inputs), accuracy=98.5, seconds=1.0)
    os.rename(str(tmp_path / 'mine.npz'), str(tmp_path / 'moved.npz'))
    assert done(*with_settings(job, dataset=str(tmp_path / 'moved.npz')))['accuracy'] == 98.5
    save_text(str(tmp_path / 'moved.npz'), 'other images')
    assert why_not(*with_settings(job, dataset=str(tmp_path / 'moved.npz'))) == 'made from another dataset'


@pytest.mark.parametrize('content', [None, b'', b'{"arguments": ', b'\xff\xfe', b'[]', b'null', b'"text"', b'7', b'{}',
                                     b'{"arguments": {}}', b'{"arguments": [], "inputs": {}, "outputs": {}}',
                                     b'[' * 100000], ids=lambda content: repr(content)[:50])
def test_what_is_no_record_is_no_result(job, content):
    os.unlink(job.files.result)
    if content is not None:
        with open(job.files.result, 'wb') as file:
            file.write(content)
    assert why_not(job.settings, job.files) == (
        '' if load_json(job.files.result) is None else 'its record is damaged')


@pytest.mark.parametrize('name', ['accuracy', 'seconds', 'versions', 'inputs', 'outputs'])
@pytest.mark.parametrize('value', ['gone', None, 'high', [1], float('nan'), -1])
def test_an_edited_record_is_none(job, name, value):
    edit(job, lambda record: record.pop(name) if value == 'gone' else record.update({name: value}))
    assert why_not(job.settings, job.files)


@pytest.mark.parametrize('accuracy', [100.5, float('inf'), 10 ** 400], ids=lambda value: str(value)[:9])
def test_no_accuracy_is_above_100(job, accuracy):
    edit(job, lambda record: record.update(accuracy=accuracy))
    assert why_not(job.settings, job.files) == 'its record is damaged'


def test_a_synthesis_has_its_record_beside_its_impressions(tmp_path):
    teacher = str(tmp_path / 'teacher.mat')
    flags = ['--Rate=2.5', '--save_path', str(tmp_path), '--teacher', teacher]
    settings = synthesis_flags(flags)
    files = synthesis_files(settings)
    assert (files.inputs, files.outputs, files.result) == (
        {'teacher': teacher}, [str(tmp_path / 'DI-2.5.mat')], str(tmp_path / 'DI-2.5.json'))
    save_text(teacher, 'teacher')
    save_text(files.outputs[0], 'impressions')
    save_result(files, fingerprint(settings, files.inputs), kl=0.5, targets_met=93.0, seconds=4.0)
    row = done(settings, files)
    assert (row['method'], row['rate'], row['kl'], row['targets_met']) == ('Impressions', 2.5, 0.5, 93.0)
    assert 'Rate' not in row and 'accuracy' not in row
    assert why_not(synthesis_flags([*flags, '--iterations=7']), files) == 'made with iterations 100, not 7'
    assert done(synthesis_flags([*flags, '--dataset=fashion_mnist']), files), 'impressions are made of a teacher alone'
    edit(Namespace(files=files), lambda record: record.pop('targets_met'))
    assert why_not(settings, files) == 'its record is damaged'


# Tables

def test_csv_has_its_first_columns_every_argument_and_version(job, tmp_path):
    row, _ = finished_row(job.settings, job.files, run=3)
    other = dict(method='Student', rate=100.0, run=0, seed=0, accuracy=99.0, seconds=1.5, zebra='a,"b"', apple=1)
    save_text(str(tmp_path / 'results.csv'), results_csv([row, other]))
    with open(str(tmp_path / 'results.csv'), newline='') as file:
        reader = csv.DictReader(file)
        first, second = reader
    assert reader.fieldnames[:6] == ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
    assert reader.fieldnames[6:] == sorted(
        (set(vars(job.settings)) | set(versions()) | {'zebra', 'apple'}) - set(reader.fieldnames[:6]))
    assert [first[name] for name in reader.fieldnames[:6]] == ['ZSKD', '1.0', '3', '0', '98.5', '12.0']
    assert first['learning_rate'] == '0.01' and first['zebra'] == ''
    assert second['zebra'] == 'a,"b"' and second['learning_rate'] == ''


def test_markdown_shows_mean_and_sample_standard_deviation():
    rows = [dict(method=method, rate=rate, accuracy=accuracy) for method, rate, accuracy in (
        ('Teacher', 100, 99.0), ('Student', 100.0, '98.5'), ('ZSKD', 1, 92.0), ('ZSKD', 1, 94.0), ('ZSKD', 2.5, 96.0),
        ('ZSKD_augment', 1, 95.123), ('Soft_logits', 40, 97.0), ('Soft_logits', 40, 97.0), ('Soft_logits', 40, 97.3),
        ('Impressions', 3, ''))]
    head, ruler, *lines = [[cell.strip() for cell in line.strip('|').split('|')]
                           for line in results_markdown(rows).rstrip('\n').split('\n')]
    assert head == ['Rate', 'Teacher', 'Student', 'Soft-logits', 'ZSKD', 'ZSKD + augmentation']
    assert len(ruler) == 6 and all(set(cell) <= set('-:') for cell in ruler)
    assert lines == [['100', '99.00', '98.50', '-', '-', '-'],
                     ['40', '-', '-', '97.10 ± 0.17', '-', '-'],
                     ['2.5', '-', '-', '-', '96.00', '-'],
                     ['1', '-', '-', '-', '93.00 ± 1.41', '95.12']]


def test_nothing_done_yet_is_no_table():
    assert results_markdown([]) == ''
    assert results_csv([]) == 'method,rate,run,seed,accuracy,seconds\n'


def test_the_committed_table_is_of_the_committed_rows():
    with open(os.path.join(ROOT, 'results', 'results.csv'), newline='') as file:
        rows = list(csv.DictReader(file))
    with open(os.path.join(ROOT, 'results', 'results.md'), encoding='utf-8') as file:
        assert results_markdown(rows) == file.read()


def test_json_that_is_kept_reads_back(tmp_path):
    path = str(tmp_path / 'x.json')
    save_json(path, {'b': [0.1, 1.0], 'a': 'ü'})
    assert load_json(path) == {'a': 'ü', 'b': [0.1, 1.0]}


def test_a_record_that_may_not_be_read_is_not_taken_for_none(job):
    with forbidden(os.path.dirname(job.files.result)):
        with pytest.raises(RunError, match='^cannot read .*result.json.: Permission denied$'):
            finished_row(job.settings, job.files, 0)


@pytest.fixture
def impressions(tmp_path):
    """{role: path} for a student: impressions, with the record of their making, and the teacher they are of."""
    settings = synthesis_flags(['--Rate=1', '--save_path', str(tmp_path), '--teacher', str(tmp_path / 'teacher.mat')])
    files = synthesis_files(settings)
    for path in [*files.inputs.values(), *files.outputs]:
        save_text(path, 'content of ' + os.path.basename(path))
    save_result(files, fingerprint(settings, files.inputs))
    return dict(files.inputs, impressions=files.outputs[0])


def origin(inputs):
    check_origin(inputs, fingerprint(Namespace(), inputs)['inputs'])


def test_impressions_of_the_students_teacher_are_accepted(impressions, capsys):
    origin(impressions)
    assert not capsys.readouterr().out


def test_impressions_of_another_teacher_are_refused(impressions, tmp_path):
    save_text(str(tmp_path / 'other.mat'), 'another teacher')
    with pytest.raises(RunError, match="DI-1.mat' was made from another teacher than '.*other.mat'"):
        origin(dict(impressions, teacher=str(tmp_path / 'other.mat')))


@pytest.mark.parametrize('change', [
    lambda impressions, record: os.unlink(record), lambda impressions, record: save_text(record, '[]'),
    lambda impressions, record: save_text(impressions, 'a file from elsewhere')],
    ids=['none', 'no record', 'of another file'])
def test_impressions_without_a_record_of_their_own_are_taken_with_a_notice(impressions, tmp_path, capsys, change):
    save_text(str(tmp_path / 'other.mat'), 'another teacher')
    change(impressions['impressions'], str(tmp_path / 'DI-1.json'))
    origin(dict(impressions, teacher=str(tmp_path / 'other.mat')))
    assert "DI-1.mat' has no record that says which teacher" in capsys.readouterr().out
