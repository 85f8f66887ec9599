"""What the tests share: where things are, and how a script is run as a user runs it."""
import contextlib
import fcntl
import io
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from argparse import Namespace
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
REFERENCE = os.path.join(os.path.dirname(ROOT), 'shared', 'reference')
sys.path[:0] = [ROOT, HERE, os.path.join(ROOT, 'tools')]
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ.pop('ZSKD_DEBUG', None)  # the user's
# A shell that starts the tests in the background has them ignore Ctrl-C, and so would all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Read-only arrays: images uint8 [N, 32, 32, 1], labels int32 [N].
Mnist = namedtuple('Mnist', 'train_images train_labels test_images test_labels')


@pytest.fixture(scope='session')
def data():
    """The folder with MNIST, fetched once."""
    from utils.data import datasets
    from utils.files import RunError
    folder = os.path.join(ROOT, 'data')
    try:
        datasets.fetch('mnist', folder)
    except RunError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope='session')
def mnist(data):
    from utils.data import datasets
    opened = datasets.open_dataset('mnist', data)
    arrays = opened.part('train', (32, 32, 1)) + opened.part('test', (32, 32, 1))
    for array in arrays:
        array.setflags(write=False)
    return Mnist(*arrays)


@pytest.fixture(scope='session')
def small(mnist, tmp_path_factory):
    """A data set of one's own that takes no time to load: 2,000 training and 500 test images of MNIST."""
    import numpy as np
    path = str(tmp_path_factory.mktemp('own') / 'small.npz')
    np.savez(path, x_train=mnist.train_images[:2000, :, :, 0], y_train=mnist.train_labels[:2000],
             x_test=mnist.test_images[:500, :, :, 0], y_test=mnist.test_labels[:500])
    return path


@pytest.fixture(scope='session')
def colours(tmp_path_factory):
    """A data set of one's own, of five classes that are easy to tell: 300 and 100 colour images of 24x24."""
    import numpy as np
    rng, arrays = np.random.RandomState(0), {}
    tints = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40], [40, 200, 200]])
    for part, count in (('train', 300), ('test', 100)):
        labels = np.arange(count) % 5
        images = tints[labels][:, None, None] + rng.randint(-40, 41, (count, 24, 24, 3))
        arrays.update({'x_' + part: images.astype(np.uint8), 'y_' + part: labels})
    path = str(tmp_path_factory.mktemp('own') / 'colours.npz')
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope='session')
def own_pair():
    """A user's own pair of networks for ``colours``."""
    return os.path.join(HERE, 'own_pair.py')


@pytest.fixture(scope='session')
def teacher():
    """The teacher that comes with the repository."""
    return os.path.join(ROOT, 'pre_trained', 'Lenet5.mat')


@pytest.fixture
def job(tmp_path):
    """A training that has just ended: its settings and its files, all of them written, with some content."""
    from utils.files import save_text
    from utils.records.layout import training_files
    from utils.records.records import digests_of, fingerprint, save_record
    from utils.settings.flags import training_flags
    settings = training_flags(['--Distillation=ZSKD-1', '--train_dir', str(tmp_path / 'out'), '--impressions',
                               str(tmp_path), '--teacher', str(tmp_path / 'teacher.mat')])
    files = training_files(settings)
    for path in [files.inputs['teacher'], files.inputs['impressions'], *files.outputs]:
        save_text(path, 'content of ' + os.path.basename(path))
    save_record(files, fingerprint(settings, digests_of(files)), accuracy=98.5, seconds=12.0)
    return Namespace(settings=settings, files=files)


@pytest.fixture(scope='session')
def reference():
    """The folder with files made by another implementation."""
    if not os.path.isdir(REFERENCE):
        pytest.skip('the reference files lie beside the development checkout only')
    return REFERENCE


def bytes_of(save, *arrays, **named):
    """What ``save``, such as np.savez, writes of the arrays."""
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def arrays_of(path, shapes):
    """The float32 arrays {name: array} of a MAT-file for every name in ``shapes``."""
    from utils.matfile import arrays_of_shapes, mat_arrays
    return arrays_of_shapes(path, mat_arrays(path)[0], shapes)


def command(words):
    """What starts a script of this repository: the words of a command line, the first its name, or '-c'."""
    name, *flags = words
    program = name if name == '-c' else os.path.join(ROOT, name)
    return [sys.executable, '-u', program] + [str(flag) for flag in flags]


def run_script(words, **options):
    """A script, or '-c' and code, run to its end, as a user runs it; the finished process."""
    usual = dict(cwd=ROOT, timeout=600, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.run(command(words), universal_newlines=True, **dict(usual, **options))


def two_at_a_time(function, items):
    """{item: function(item)}; for functions that wait for a process."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(items, pool.map(function, items)))


def wait_until(condition, seconds=120):
    """Looks until ``condition()`` is true; fails when it is not so in time."""
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, 'waited in vain'
        time.sleep(0.05)


def working_on(folder, but=b'\0\0'):
    """{process other than this whose command names the folder: its parent}; but: a word it has not."""
    found = {}
    for pid in set(filter(str.isdigit, os.listdir('/proc'))) - {str(os.getpid())}:
        with contextlib.suppress(OSError):  # it has ended
            with open('/proc/%s/cmdline' % pid, 'rb') as words, open('/proc/%s/stat' % pid) as status:
                command_line = words.read()
                if str(folder).encode() in command_line and but not in command_line:
                    found[int(pid)] = int(status.read().rsplit(')', 1)[1].split()[1])
    return found


@contextlib.contextmanager
def forbidden(path):
    """A block in which nobody, not even root, may open the file or folder."""
    user, modes = os.geteuid(), {str(path): os.stat(str(path)).st_mode}
    os.chmod(str(path), 0)
    if user == 0:
        for folder in pathlib.Path(str(path)).parents:  # pytest keeps some of them for its user
            mode = folder.stat().st_mode
            if not mode & 0o001:
                modes[str(folder)] = mode
                folder.chmod(mode | 0o001)
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        for changed, mode in modes.items():
            os.chmod(changed, mode)


class Terminal:
    """A script, or '-c' and code, on a terminal of 24 lines and 160 columns."""

    def __init__(self, words):
        self._screen, other_end = pty.openpty()
        fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 160, 0, 0))
        self.process = subprocess.Popen(command(words), cwd=ROOT, stdout=other_end, stderr=other_end)
        os.close(other_end)
        self._content = b''

    @property
    def shown(self):
        return self._content.decode(errors='replace')

    def read(self, until=lambda shown: False, seconds=120):
        """Reads until ``until(shown)``, or the terminal is closed; fails when neither comes in time."""
        deadline = time.time() + seconds
        while not until(self.shown):
            assert select.select([self._screen], [], [], max(0, deadline - time.time()))[0], 'waited in vain'
            try:
                block = os.read(self._screen, 4096)
            except OSError:  # what Linux says when nobody is on the other end
                break
            self._content += block
        return self.shown
