"""What the tests share: where things are, and how a script is run as a user runs it."""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
REFERENCE = os.path.join(os.path.dirname(ROOT), 'shared', 'reference')
sys.path[:0] = [ROOT, HERE]
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'


@pytest.fixture(scope='session')
def data():
    """The folder with MNIST, fetched once."""
    from utils.mnist import load_mnist
    folder = os.path.join(ROOT, 'data')
    load_mnist(folder)
    return folder


@pytest.fixture(scope='session')
def mnist(data):
    from utils.mnist import load_mnist
    return load_mnist(data)


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
        if name in ('train_w_distill.py', 'autotrain.py') and '--data' not in flags:
            flags += ('--data', data)
        return subprocess.run([sys.executable, os.path.join(ROOT, name)] + [str(flag) for flag in flags],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                              **dict({'cwd': ROOT, 'timeout': 600}, **options))
    return call
