"""Records of jobs: when one still holds, and what they say of impressions and teachers."""
import importlib
import os
import re
import subprocess
import sys
from argparse import Namespace

import pytest
from conftest import forbidden, run_script

from teachers.formats import TeacherOptions
from utils.data.datasets import open_dataset
from utils.files import RunError, load_json, save_json, save_text, sha256
from utils.records import records
from utils.records.layout import synthesis_files, training_files
from utils.records.origins import check_impressions, check_network
from utils.records.records import digests_of, fingerprint, finished_row, print_replaced, save_record, versions
from utils.settings.flags import synthesis_flags, training_flags
from utils.settings.hyper_parameters import OFF


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
    record = load_json(job.files.record)
    change(record)
    save_json(job.files.record, record)


def test_versions_are_those_that_compute(job):
    expected = {name: importlib.import_module(module).__version__ for name, module in [
        ('tensorflow', 'tensorflow'), ('numpy', 'numpy'), ('scipy', 'scipy'), ('opencv', 'cv2')]}
    expected['python'] = '%d.%d' % sys.version_info[:2]
    assert versions() == expected
    of_job = fingerprint(job.settings, {})['versions']
    assert re.match('[0-9a-f]{12}$', of_job['code']) and of_job == dict(expected, code=of_job['code'])


def test_tensorflow_by_another_name(monkeypatch):
    def version(name):
        raise records.metadata.PackageNotFoundError(name)

    expected = versions()
    monkeypatch.setattr(records.metadata, 'version', version)
    assert versions.__wrapped__() == expected


def test_a_table_is_planned_without_tensorflow():
    code = ('import sys, autotrain; from utils.table.flags import table_flags; '
            'autotrain.plan(table_flags([])[1]); sys.exit("tensorflow" in sys.modules)')
    assert run_script(['-c', code]).returncode == 0


@pytest.mark.parametrize('changes, said', [
    (dict(seed=1), 'seed 0, not 1'), (dict(steps=7, batch_size=9), 'batch_size 16, not 9, steps 5000, not 7'),
    (dict(recipe='published'), 'recipe default, not published'), (dict(threads=2), 'threads 1, not 2'),
    (dict(another=1), 'another none, not 1')], ids=str)
def test_other_settings_are_another_job(job, changes, said):
    assert why_not(*with_settings(job, **changes)) == 'made with ' + said


@pytest.mark.parametrize('name', sorted(OFF))
def test_a_setting_that_is_off_is_as_good_as_none(job, name):
    assert done(*with_settings(job, **{name: OFF[name]}))
    said = why_not(*with_settings(job, **{name: 1.5}))
    assert said.startswith('made with ') and '%s %s, not 1.5' % (name, OFF[name]) in said
    edit(job, lambda record: record['arguments'].update({name: OFF[name]}))
    assert done(job.settings, job.files)
    edit(job, lambda record: record['arguments'].update({name: 1.5}))
    assert why_not(job.settings, job.files) == 'made with %s 1.5, not %s' % (name, OFF[name])


def test_other_networks_are_another_job(job, tmp_path):
    """A known pair counts by its code, a pair of one's own by its content, wherever it lies."""
    said = why_not(*with_settings(job, nets='alexnet'))
    assert re.match('made with code [0-9a-f]{12}, not [0-9a-f]{12}$', said)
    save_text(str(tmp_path / 'mine.py'), 'teacher and student')
    settings, files = with_settings(job, nets=str(tmp_path / 'mine.py'))
    save_record(files, fingerprint(settings, digests_of(files)), accuracy=98.5, seconds=1.0)
    assert set(load_json(files.record)['inputs']) == {'dataset', 'teacher', 'impressions', 'nets'}
    os.rename(str(tmp_path / 'mine.py'), str(tmp_path / 'moved.py'))
    settings, files = with_settings(job, nets=str(tmp_path / 'moved.py'))
    assert done(settings, files)
    save_text(str(tmp_path / 'moved.py'), 'another student')
    assert why_not(settings, files) == 'made from another nets'


@pytest.mark.parametrize('name', ['tensorflow', 'code'])
def test_other_versions_are_another_job(job, name):
    now = fingerprint(job.settings, {})['versions'][name]
    edit(job, lambda record: record['versions'].update({name: '9.9'}))
    assert why_not(job.settings, job.files) == 'made with %s 9.9, not %s' % (name, now)


def test_another_data_set_is_another_job(job):
    assert why_not(*with_settings(job, dataset='fashion_mnist')) == 'made from another dataset'
    assert why_not(*with_settings(job, dataset='none')) == 'made from another dataset'


@pytest.mark.parametrize('role', ['teacher', 'impressions', 0, 1])
@pytest.mark.parametrize('change', [os.unlink, lambda path: save_text(path, 'something else')],
                         ids=['gone', 'changed'])
def test_a_file_that_is_gone_or_changed_is_another_job(job, role, change):
    paths = {**dict(enumerate(job.files.outputs)), **job.files.inputs}
    change(paths[role])
    assert why_not(job.settings, job.files) == (
        'made from another ' + role if role in job.files.inputs else
        os.path.basename(paths[role]) + ' cannot be read or was altered')


@pytest.mark.parametrize('content', [
    None, b'', b'{"arguments": ', b'\xff\xfe', b'[]', b'null', b'"text"', b'7', b'{}', b'{"arguments": {}}',
    b'{"arguments": [], "inputs": {}, "outputs": {}}', b'[' * 100000], ids=lambda content: repr(content)[:50])
def test_what_is_no_record_is_no_result(job, content):
    os.unlink(job.files.record)
    if content is not None:
        with open(job.files.record, 'wb') as file:
            file.write(content)
    assert why_not(job.settings, job.files) == (
        '' if load_json(job.files.record) is None else 'its record is damaged')


@pytest.mark.parametrize('name, value', [('accuracy', 100.5), ('accuracy', 10 ** 400)] + [
    (name, value) for name in ('accuracy', 'seconds', 'versions', 'inputs', 'outputs')
    for value in ('gone', None, 'high', float('nan'), -1)], ids=lambda value: str(value)[:9])
def test_an_edited_record_is_none(job, name, value):
    edit(job, lambda record: record.pop(name) if value == 'gone' else record.update({name: value}))
    assert why_not(job.settings, job.files)


def test_a_synthesis_has_its_record_beside_its_impressions(tmp_path):
    teacher = str(tmp_path / 'teacher.mat')
    flags = ['--Rate=2.5', '--save_path', str(tmp_path), '--teacher', teacher]
    settings = synthesis_flags(flags)
    files = synthesis_files(settings)
    assert (files.inputs, files.outputs, files.record) == (
        {'teacher': teacher}, [str(tmp_path / 'DI-2.5.mat')], str(tmp_path / 'DI-2.5.json'))
    save_text(teacher, 'teacher')
    save_text(files.outputs[0], 'impressions')
    save_record(files, fingerprint(settings, digests_of(files)), kl=0.5, targets_met=93.0, seconds=4.0)
    row = done(settings, files)
    assert (row['method'], row['rate'], row['kl'], row['targets_met']) == ('Impressions', 2.5, 0.5, 93.0)
    assert 'Rate' not in row and 'accuracy' not in row
    assert why_not(synthesis_flags([*flags, '--iterations=7']), files) == 'made with iterations 100, not 7'
    assert done(synthesis_flags([*flags, '--dataset=fashion_mnist']), files), 'made of a teacher alone'
    edit(Namespace(files=files), lambda record: record.pop('targets_met'))
    assert why_not(settings, files) == 'its record is damaged'


def test_the_commit_of_a_folder_above_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(records, 'REPOSITORY', str(tmp_path / 'unpacked'))
    (tmp_path / 'unpacked').mkdir()
    for command in 'init -q .', '-c user.name=x -c user.email=x commit -q --allow-empty -m x':
        subprocess.run(['git', '-C', str(tmp_path), *command.split()], check=True)
    assert records.git_commit() is None


def test_what_is_replaced_is_said(job, capsys):
    print_replaced(job.settings, job.files)
    assert capsys.readouterr().out == ''
    print_replaced(Namespace(**dict(vars(job.settings), steps=7)), job.files)
    path = job.files.outputs[0]
    assert capsys.readouterr().out == '%r is there: made with steps %d, not 7; it will be replaced\n' % (
        path, job.settings.steps)
    os.unlink(job.files.record)
    print_replaced(job.settings, job.files)
    assert capsys.readouterr().out == '%r is there: it has no record; it will be replaced\n' % path


def test_a_record_that_may_not_be_read_is_not_taken_for_none(job):
    with forbidden(os.path.dirname(job.files.record)):
        with pytest.raises(RunError, match='^cannot read .*result.json.: Permission denied$'):
            finished_row(job.settings, job.files, 0)


# What records say of impressions and teachers

@pytest.fixture
def impressions(tmp_path):
    """Impressions, with the record of their making, and the teacher they were made from."""
    teacher = str(tmp_path / 'teacher.mat')
    settings = synthesis_flags(['--Rate=1', '--save_path', str(tmp_path), '--teacher', teacher])
    files = synthesis_files(settings)
    for path in [*files.inputs.values(), *files.outputs]:
        save_text(path, 'content of ' + os.path.basename(path))
    save_record(files, fingerprint(settings, digests_of(files)))
    return Namespace(path=files.outputs[0], teacher=teacher, record=files.record)


def check(impressions, teacher):
    check_impressions(read(impressions), read(teacher))


def read(path):
    """What a check asks of a file that has been read."""
    return Namespace(path=path, digest=sha256(path), classes=10, options=TeacherOptions())


DAMAGED = ['{"outputs": {"NAME": "DIGEST"}, "arguments": %s, "inputs": %s}' % values for values in (
    ('{}', '[]'), ('[]', '{"dataset": "a"}'), ('{"holdout": "many"}', 'null'),
    ('{"holdout": []}', '{"dataset": "DATASET"}'), ('null', '{"dataset": "DATASET"}'),
    ('"text"', '{"dataset": ["a"]}'))]


def test_impressions_of_a_teacher_that_was_read_another_way_are_refused(impressions):
    teacher = read(impressions.teacher)
    teacher.options = TeacherOptions(mean=(0.5,))
    with pytest.raises(RunError, match="DI-1.mat' was made with .*teacher_mean"):
        check_impressions(read(impressions.path), teacher)


@pytest.mark.parametrize('change', [
    lambda impressions: os.unlink(impressions.record),
    lambda impressions: save_text(impressions.record, '[]'),
    lambda impressions: save_text(impressions.path, 'a file from elsewhere')],
    ids=['none', 'no record', 'of another file'])
def test_impressions_without_a_record_are_taken_with_a_notice(impressions, tmp_path, capsys, change):
    save_text(str(tmp_path / 'other.mat'), 'another teacher')
    change(impressions)
    check(impressions.path, str(tmp_path / 'other.mat'))
    assert "DI-1.mat' has no record that says which teacher" in capsys.readouterr().out


@pytest.fixture
def trained(tmp_path, small):
    """trained(holdout) -> the path of a teacher with the record of its training on the small data set."""
    def make(holdout=0):
        settings = training_flags(['--main_scope=Teacher', '--train_dir', str(tmp_path / 'tch'),
                                   '--dataset', small, '--holdout=%d' % holdout])
        files = training_files(settings)
        for path in files.outputs:
            save_text(path, 'content of ' + os.path.basename(path))
        save_record(files, fingerprint(settings, digests_of(files)), accuracy=98.5, seconds=12.0)
        return files.outputs[0]
    return make


@pytest.fixture
def other(tmp_path, small):
    """Another data set."""
    with open(small, 'rb') as file, open(str(tmp_path / 'other.npz'), 'wb') as copy:
        copy.write(file.read() + b' ')
    return open_dataset(str(tmp_path / 'other.npz'), '')


def test_a_teacher_has_its_record_under_its_own_name_as_well(trained, other, tmp_path):
    """As pre_trained/Lenet5.mat has Lenet5.json; a record of another file in its folder is none of it."""
    weights = trained()
    os.rename(weights, str(tmp_path / 'mine.mat'))
    check_network(read(str(tmp_path / 'mine.mat')), other, any_teacher=False)
    record = load_json(str(tmp_path / 'tch' / 'result.json'))
    record['outputs']['mine.mat'] = sha256(str(tmp_path / 'mine.mat'))
    save_json(str(tmp_path / 'mine.json'), record)
    with pytest.raises(RunError, match='was trained on'):
        check_network(read(str(tmp_path / 'mine.mat')), other, any_teacher=False)


@pytest.mark.parametrize('of_teacher, of_student, seen', [
    (0, 0, False), (0, 500, True), (500, 500, False), (300, 500, True), (500, 300, False)])
def test_a_teacher_that_has_seen_the_held_out_images_is_named(
        trained, small, capsys, of_teacher, of_student, seen):
    weights = trained(of_teacher)
    check_network(read(weights), open_dataset(small, ''), any_teacher=False, holdout=of_student)
    said = '%r has seen held-out images: it was trained with --holdout %d\n'
    assert capsys.readouterr().out == (said % (weights, of_teacher) if seen else '')


@pytest.mark.parametrize('text', DAMAGED)
def test_a_record_that_somebody_edited_says_nothing(trained, impressions, small, text, capsys):
    """Neither of a teacher nor of impressions; the file it is beside is taken as it is."""
    weights, dataset = trained(), open_dataset(small, '')

    def put_beside(path, record):
        content = text.replace('NAME', os.path.basename(path)).replace('DIGEST', sha256(path))
        save_text(record, content.replace('DATASET', dataset.digest))

    put_beside(weights, os.path.join(os.path.dirname(weights), 'result.json'))
    check_network(read(weights), dataset, any_teacher=False, holdout=5)
    assert not capsys.readouterr().out
    put_beside(impressions.path, impressions.record)
    check(impressions.path, impressions.teacher)
    assert 'has no record that says which teacher' in capsys.readouterr().out
