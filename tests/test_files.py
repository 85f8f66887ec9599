"""Whole files: what a killed writer leaves, and what of it the next table removes."""
import os

import pytest
from conftest import run_script

import autotrain
from nets.networks import find_pair
from utils.data.datasets import open_dataset, training_images
from utils.files import RunError, atomic_write, load_json, read_bytes, remove_leftovers, sha256
from utils.matfile import mat_arrays
from utils.table.results import read_results

KILLED_WRITER = ('import os, signal, sys; from utils.files import atomic_write\n'
                 'with atomic_write(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)')
OTHERS = ['.notes.tmp', '.zskd-notes', 'zskd-1.tmp', '.train_params.mat.tmp']  # none is named as ours are


def kill_a_writer(folder):
    """Leaves in ``folder`` what a writer leaves that is killed."""
    run_script(['-c', KILLED_WRITER, folder / 'result.json'])
    assert names_in(folder)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_leftovers_are_removed_where_asked_and_nowhere_else(tmp_path):
    below, *folders = [tmp_path / name for name in ('a/below', 'a', '[b]', 'not there')]
    for folder in [below, *folders[:2]]:
        folder.mkdir(parents=True, exist_ok=True)
        kill_a_writer(folder)
        for name in OTHERS:
            (folder / name).write_text('of another program')
    remove_leftovers([str(folder) for folder in folders])
    assert names_in(folders[0]) == names_in(folders[1]) == sorted(OTHERS)
    assert len(names_in(below)) == len(OTHERS) + 1


def test_a_table_removes_the_leftovers_of_its_own_jobs_alone(tmp_path, small, monkeypatch):
    """--root . holds other programs' files, and the folders of other runs, whose writers may be alive."""
    job, sibling = tmp_path / 'Teacher' / 'tch0', tmp_path / 'mine'
    for folder in (job, sibling):
        folder.mkdir(parents=True)
    for folder in (tmp_path, job, sibling):
        kill_a_writer(folder)
        (folder / '.notes.tmp').write_text('of another program')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(autotrain, 'work', lambda *_: ({}, []))
    assert autotrain.main(['--root=.', '--dataset', small, '--runs=1', '--methods', 'Teacher']) == 0
    left = {folder for folder in (tmp_path, job, sibling) if list(folder.glob('.zskd-*'))}
    assert left == {sibling}
    assert all((folder / '.notes.tmp').exists() for folder in (tmp_path, job, sibling))


@pytest.mark.parametrize('name', ['x' * 255, 'é' * 127, 'a b'])
def test_any_name_that_the_file_system_takes_can_be_written(tmp_path, name):
    with atomic_write(str(tmp_path / name)) as file:
        file.write(b'content')
    assert names_in(tmp_path) == [name] and (tmp_path / name).read_bytes() == b'content'


# What is no file.

@pytest.mark.parametrize('path, kind', [('fifo', 'FIFO'), ('/dev/zero', 'device'), ('folder', 'folder')])
def test_what_is_no_file_is_refused_at_once(tmp_path, path, kind):
    """A FIFO would be waited for, and a device never ends."""
    path = str(tmp_path / path)
    if path.endswith('fifo'):
        os.mkfifo(path)
    elif path.endswith('folder'):
        os.mkdir(path)
    readers = [read_bytes, lambda path: open_dataset(path, None), training_images,
               find_pair, mat_arrays, read_results]
    for reader in readers:
        with pytest.raises(RunError, match='is a .*%s.*, not a file' % kind):
            reader(path)
    assert sha256(path) is None and load_json(path) is None


def test_files_have_the_mode_that_the_umask_gives(tmp_path):
    mask = os.umask(0o027)
    try:
        with atomic_write(str(tmp_path / 'x')) as file:
            file.write(b'x')
    finally:
        os.umask(mask)
    assert (tmp_path / 'x').stat().st_mode & 0o777 == 0o640


def test_a_record_that_an_editor_has_saved_is_still_one(tmp_path):
    (tmp_path / 'result.json').write_bytes('\ufeff{\r\n "seed": 1\r\n}\r\n'.encode('utf-8'))
    assert load_json(str(tmp_path / 'result.json')) == {'seed': 1}
