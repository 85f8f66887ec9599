"""What the tests share: where things are, and how a script is run as a user runs it."""
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
REFERENCE = os.path.join(os.path.dirname(ROOT), 'shared', 'reference')
sys.path[:0] = [ROOT, HERE]
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'


class Mnist(NamedTuple):
    """Read-only arrays: images uint8 [N, 32, 32, 1], labels uint8 [N]."""
    train_images: object
    train_labels: object
    test_images: object
    test_labels: object


@pytest.fixture(scope='session')
def data():
    """The folder with MNIST, fetched once."""
    from utils import datasets
    folder = os.path.join(ROOT, 'data')
    datasets.fetch('mnist', folder)
    return folder


@pytest.fixture(scope='session')
def mnist(data):
    from utils import datasets
    arrays = datasets.load('mnist', data, 'train') + datasets.load('mnist', data, 'test')
    for array in arrays:
        array.setflags(write=False)
    return Mnist(*arrays)


@pytest.fixture(scope='session')
def teacher():
    """The teacher that comes with the repository."""
    return os.path.join(ROOT, 'pre_trained', 'Lenet5.mat')


@pytest.fixture(scope='session')
def reference():
    """The folder with files made by another implementation."""
    if not os.path.isdir(REFERENCE):
        pytest.skip('the reference files lie beside the development checkout only')
    return REFERENCE


@pytest.fixture
def script(data):
    """Runs a script in the repository's root: script(name, flags...) -> finished process."""
    def call(name, *flags, **options):
        if name != 'Data_Impressions.py' and '--data' not in flags:
            flags += ('--data', data)
        return subprocess.run([sys.executable, os.path.join(ROOT, name)] + [str(flag) for flag in flags],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                              **dict({'cwd': ROOT, 'timeout': 600}, **options))
    return call
