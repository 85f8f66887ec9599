"""Files that hold a trained network: formats, digests, and how pixels are scaled. No TensorFlow here."""
import contextlib
import glob
import hashlib
import os
import re
import tempfile
from typing import NamedTuple, Optional, Tuple

import numpy as np

from teachers.content import content_format
from utils.files import REPOSITORY, RunError, sha256

SUFFIXES = {'.mat': 'mat', '.npz': 'npz', '.h5': 'h5', '.hdf5': 'h5', '.keras': 'keras', '.pb': 'pb',
            '.pt': 'torch', '.pth': 'torch'}
SAVED_MODEL, VARIABLES = 'saved_model.pb', 'variables/variables'  # what of a SavedModel's folder is read
ONNX_DATA = '.data'  # where the weights of an ONNX network are in a file of their own, this ends its name
PATTERN = re.compile(r'[][*?]' if os.sep == '\\' else r'[][*?\\]')  # a path with one is a pattern
CHECKPOINT_FILE = re.compile(r'\.(index|meta|data-\d+-of-\d+)$')
FORMATS = ('.mat, .npz, .h5, .keras, .pb, .onnx, .pt, .pth, the prefix or .index of a TensorFlow checkpoint, '
           'or the folder of a SavedModel')


class TeacherOptions(NamedTuple):
    """What the user says of a teacher's file: the flags --teacher_..."""
    scale: Tuple[float, float] = (0.0, 1.0)     # what black and white are to the network, before mean and std
    mean: Optional[Tuple[float, ...]] = None    # one or one per channel: the network sees (x - mean) / std
    std: Optional[Tuple[float, ...]] = None
    input: Optional[str] = None                 # the tensor of a graph that takes the images
    logits: Optional[str] = None                # the tensor of a graph that holds the logits

    @classmethod
    def of(cls, settings):
        """The TeacherOptions that a script's settings, a Namespace, ask for."""
        given = {name: getattr(settings, 'teacher_' + name, None) for name in cls._fields}
        return cls(**{name: tuple(value) if isinstance(value, list) else value
                      for name, value in given.items() if value is not None})

    def flags(self):
        """{flag: value} of all five."""
        return {'teacher_' + name: value for name, value in self._asdict().items()}

    def check(self, channels):
        """Raises RunError where there are more or fewer means or deviations than channels."""
        for name, values in (('mean', self.mean), ('std', self.std)):
            if values is not None and len(values) not in (1, channels):
                raise RunError('--teacher_%s has %d numbers, and the teacher takes images of %d channels; '
                               'give one number, or one per channel' % (name, len(values), channels))

    def scaled(self, images):
        """Images [B, H, W, C] in [0, 1] as the network takes them."""
        low, high = self.scale
        if (low, high) != (0, 1):
            images = images * (high - low) + low
        if self.mean is not None:
            images -= np.array(self.mean, np.float32)
        if self.std is not None:
            images /= np.array(self.std, np.float32)
        return images


FLAGS = tuple('teacher_' + name for name in TeacherOptions._fields)


def format_of(path):
    """A value of SUFFIXES, 'saved_model', 'checkpoint' or 'onnx', by the content of a file or folder.

    Where the content does not tell, such as that of a frozen graph, the suffix does. Raises RunError for what
    is not there, or in no such format.
    """
    if os.path.isdir(path):
        if not os.path.exists(os.path.join(path, SAVED_MODEL)):
            raise RunError('the folder %r holds no saved_model.pb; give the folder of a SavedModel, or a file'
                           % path)
        return 'saved_model'
    if is_checkpoint(path):
        return 'checkpoint'
    if not os.path.exists(path):
        raise RunError('no file %r; check the path, or make it first' % path)
    found = content_format(path) or SUFFIXES.get(os.path.splitext(path)[1].lower())
    if not found:
        raise RunError('%r is in no format that is read as a network: %s' % (path, FORMATS))
    return found


def teacher_file(teacher):
    """Path of ``--teacher``: a name in the repository's pre_trained/, or a path of any format."""
    return (teacher.rstrip('/') or teacher) if is_path(teacher) else _named(teacher)


def is_path(teacher):
    """Whether ``--teacher`` is a path, not a name in pre_trained/."""
    if os.path.basename(teacher) != teacher:
        return True
    return not os.path.exists(_named(teacher)) and bool(
        os.path.splitext(teacher)[1] or os.path.exists(teacher) or os.path.exists(teacher + '.index'))


def _named(teacher):
    return os.path.join(REPOSITORY, 'pre_trained', teacher + '.mat')


def digest_of(path):
    """SHA-256 of a file's content; of a folder or checkpoint that of its files' names and digests, in order.

    Of what is read, and of nothing else. None where something cannot be read.
    """
    files = files_of(path)
    if files == {'': path}:
        return sha256(path)
    digests = {name: sha256(file) for name, file in files.items()}
    if None in digests.values():
        return None
    return hashlib.sha256(''.join('%s %s\n' % pair for pair in digests.items()).encode()).hexdigest()


def is_checkpoint(path):
    """Whether a path is the prefix or a file of a TensorFlow checkpoint.

    A file with the very name of the prefix is not taken for the checkpoint.
    """
    prefix = checkpoint_prefix(path)
    return os.path.exists(prefix + '.index') and (path != prefix or not os.path.isfile(path))


def checkpoint_prefix(path):
    """The prefix of a TensorFlow checkpoint, which is given by it or by one of its files."""
    return CHECKPOINT_FILE.sub('', path)


def full_name(tensor):
    """The name of a tensor in a graph; that of an operation is its first tensor."""
    return tensor if ':' in tensor else tensor + ':0'


@contextlib.contextmanager
def plain_path(path):
    """A folder, or a checkpoint's prefix, as a path for TensorFlow, which takes some letters for a pattern.

    Where the path has such letters, this is the path of links in a temporary folder.
    """
    if not PATTERN.search(os.path.abspath(path)):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = os.path.join(folder, 'model')
        for name, file in ({'': path} if os.path.isdir(path) else files_of(path + '.index')).items():
            os.symlink(os.path.abspath(file), link + name)
        yield link


def files_of(path):
    """{name: path} of the files that are read; {'': path} where it is that one."""
    if os.path.isdir(path):
        graph = {SAVED_MODEL: os.path.join(path, SAVED_MODEL)}
        prefix = os.path.join(path, VARIABLES)
        variables = files_of(prefix) if os.path.exists(prefix + '.index') else {}
        return dict(graph, **{VARIABLES + name: file for name, file in variables.items()})
    if is_checkpoint(path):
        prefix = checkpoint_prefix(path)
        files = [prefix + '.index'] + sorted(glob.glob(glob.escape(prefix) + '.data-*'))
        return {file[len(prefix):]: file for file in files}
    if os.path.exists(path + ONNX_DATA):
        return {'': path, ONNX_DATA: path + ONNX_DATA}
    return {'': path}
