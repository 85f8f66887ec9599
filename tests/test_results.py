"""Records of jobs: when one still holds; and many of them as results.csv and as the table."""
import csv
import os
from argparse import Namespace

import pytest

from conftest import ROOT
from utils.files import RunError, load_json, save_json, save_text
from utils.flags import synthesis_flags, training_flags
from utils.layout import synthesis_files, training_files
from utils.results import check_origin, fingerprint, load_result, results_csv, results_markdown, save_result, table_row


@pytest.fixture
def job(tmp_path):
    """A training that has just ended: its settings and its Files, all of them written."""
    flags = ['--Distillation=ZSKD-1', '--train_dir', tmp_path / 'out', '--teacher', tmp_path / 'teacher.mat',
             '--impressions', tmp_path]
    settings = training_flags([str(flag) for flag in flags])
    files = training_files(settings)
    for path in [*files.inputs.values(), *files.outputs]:
        save_text(path, 'content of ' + os.path.basename(path))
    save_result(files, fingerprint(settings, files.inputs), accuracy=98.5, seconds=12.0)
    return Namespace(settings=settings, files=files)


def test_a_record_holds_what_was_saved(job):
    result = load_result(job.settings, job.files)
    assert result == load_json(job.files.result)
    assert result['accuracy'] == 98.5 and result['seconds'] == 12.0
    assert result['arguments'] == vars(job.settings)
    assert set(result['inputs']) == {'teacher', 'impressions'}
    assert set(result['outputs']) == {'train_params.mat', 'best_params.mat'}


def test_files_may_move(job, tmp_path):
    os.rename(str(tmp_path / 'out'), str(tmp_path / 'moved'))
    os.rename(str(tmp_path / 'teacher.mat'), str(tmp_path / 'renamed.mat'))
    settings = Namespace(**dict(vars(job.settings), train_dir=str(tmp_path / 'moved'), data='elsewhere',
                                teacher=str(tmp_path / 'renamed.mat')))
    assert load_result(settings, training_files(settings))['accuracy'] == 98.5


@pytest.mark.parametrize('changes', [
    dict(seed=1), dict(steps=7), dict(recipe='published'), dict(dataset='fashion_mnist'), dict(learning_rate=0.5),
    dict(threads=2), dict(another=1)], ids=str)
def test_other_settings_are_another_job(job, changes):
    assert load_result(Namespace(**dict(vars(job.settings), **changes)), job.files) is None


def test_a_setting_that_is_gone_is_another_job(job):
    fewer = {name: value for name, value in vars(job.settings).items() if name != 'temperature'}
    assert load_result(Namespace(**fewer), job.files) is None


@pytest.mark.parametrize('role', ['teacher', 'impressions', 0, 1])
@pytest.mark.parametrize('change', [os.unlink, lambda path: save_text(path, 'something else')], ids=['gone', 'changed'])
def test_a_file_that_is_gone_or_changed_is_another_job(job, role, change):
    paths = dict(enumerate(job.files.outputs), **job.files.inputs)
    change(paths[role])
    assert load_result(job.settings, job.files) is None


def test_an_input_that_changed_while_the_job_ran(job):
    """What was read before the change is not what is there now."""
    made_from = fingerprint(job.settings, job.files.inputs)
    save_text(job.files.inputs['teacher'], 'a new teacher')
    save_result(job.files, made_from, accuracy=98.5)
    assert load_result(job.settings, job.files) is None
    save_result(job.files, fingerprint(job.settings, job.files.inputs), accuracy=98.6)
    assert load_result(job.settings, job.files)['accuracy'] == 98.6


def test_a_data_set_of_ones_own_that_changed(tmp_path):
    """A known data set is verified whenever it is read; this one can only be compared with what it was."""
    save_text(str(tmp_path / 'mine.npz'), 'images')
    settings = training_flags(['--dataset', str(tmp_path / 'mine.npz'), '--train_dir', str(tmp_path)])
    files = training_files(settings)
    for path in files.outputs:
        save_text(path, 'weights')
    save_result(files, fingerprint(settings, files.inputs), accuracy=98.5)
    assert load_result(settings, files)['accuracy'] == 98.5
    save_text(str(tmp_path / 'mine.npz'), 'other images')
    assert load_result(settings, files) is None
    assert training_files(training_flags(['--train_dir', str(tmp_path)])).inputs == {}


@pytest.mark.parametrize('content', [None, b'', b'{"arguments": ', b'\xff\xfe', b'[]', b'null', b'"text"', b'7', b'{}',
                                     b'{"arguments": {}}', b'{"arguments": [], "inputs": {}, "outputs": {}}'])
def test_what_is_no_record_is_no_result(job, content):
    os.unlink(job.files.result)
    if content is not None:
        with open(job.files.result, 'wb') as file:
            file.write(content)
    assert load_result(job.settings, job.files) is None


def test_a_synthesis_has_its_record_beside_its_impressions(tmp_path):
    teacher = str(tmp_path / 'teacher.mat')
    flags = ['--Rate=2.5', '--save_path', str(tmp_path), '--teacher', teacher]
    settings = synthesis_flags(flags)
    files = synthesis_files(settings)
    assert (files.inputs, files.outputs, files.result) == (
        {'teacher': teacher}, [str(tmp_path / 'DI-2.5.mat')], str(tmp_path / 'DI-2.5.json'))
    save_text(teacher, 'teacher')
    save_text(files.outputs[0], 'impressions')
    save_result(files, fingerprint(settings, files.inputs), kl=0.5)
    assert load_result(settings, files)['kl'] == 0.5
    assert load_result(synthesis_flags([*flags, '--iterations=7']), files) is None


# Tables

def test_csv_has_its_first_columns_and_every_argument(job, tmp_path):
    row = table_row(load_result(job.settings, job.files), run=3)
    other = dict(method='Student', rate=100.0, run=0, seed=0, accuracy=99.0, seconds=1.5, zebra='a,"b"', apple=1)
    save_text(str(tmp_path / 'results.csv'), results_csv([row, other]))
    with open(str(tmp_path / 'results.csv'), newline='') as file:
        reader = csv.DictReader(file)
        first, second = reader
    assert reader.fieldnames[:6] == ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
    assert reader.fieldnames[6:] == sorted((set(vars(job.settings)) | {'zebra', 'apple'}) - set(reader.fieldnames[:6]))
    assert [first[name] for name in reader.fieldnames[:6]] == ['ZSKD', '1.0', '3', '0', '98.5', '12.0']
    assert first['learning_rate'] == '0.01' and first['zebra'] == ''
    assert second['zebra'] == 'a,"b"' and second['learning_rate'] == ''


def test_markdown_shows_mean_and_sample_standard_deviation():
    rows = [dict(method=method, rate=rate, accuracy=accuracy) for method, rate, accuracy in (
        ('Teacher', 100, 99.0), ('Student', 100.0, '98.5'), ('ZSKD', 1, 92.0), ('ZSKD', 1, 94.0), ('ZSKD', 2.5, 96.0),
        ('ZSKD_augment', 1, 95.123), ('Soft_logits', 40, 97.0), ('Soft_logits', 40, 97.0), ('Soft_logits', 40, 97.3))]
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
