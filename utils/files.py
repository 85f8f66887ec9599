"""Files that are whole or absent, and the one kind of error that a user sees as a single line."""
import contextlib
import hashlib
import io
import json
import os
import tempfile

import numpy as np
import scipy.io

from utils.matfile import HEADER, read_arrays


class RunError(Exception):
    """What went wrong and the way out, in one line for the user."""


@contextlib.contextmanager
def atomic_write(path):
    """Yields a binary file that becomes ``path`` when the block ends well, and vanishes otherwise.

    Raises RunError where the folder cannot be made or written, or the disk is full.
    """
    path = os.path.abspath(path)
    temporary = None
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix='.tmp', prefix='.' + os.path.basename(path),
                                             dir=os.path.dirname(path))
        with os.fdopen(handle, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError('cannot write %r: %s; make room or choose a folder that can be written'
                       % (path, error.strerror or error)) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def make_folder(path):
    """Makes a folder and its parents; raises RunError where that cannot be."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise RunError('cannot make the folder %r: %s' % (path, error.strerror or error)) from error


def remove_leftovers(folder):
    """Deletes what killed writers left behind in ``folder`` and below; only safe with no writer alive."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith('.') and name.endswith('.tmp'):
                os.unlink(os.path.join(parent, name))


def save_mat(path, arrays):
    """Writes {name: array} as a MAT-file whose bytes depend on the arrays alone (no date in it)."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays)
    content = buffer.getbuffer()
    content[:116] = HEADER.ljust(116)
    with atomic_write(path) as file:
        file.write(content)


def load_mat(path, shapes):
    """Reads float32 arrays from a MAT-file: {name: array} for every name in ``shapes``.

    shapes: {name: shape}; None in a shape matches any length, and axes of length 1 may be missing or
    extra (MATLAB has no one-dimensional arrays). Nothing in the file is executed. Raises RunError for
    a file that is missing, unreadable or no MAT-file, and for an array that is missing, of another
    shape, complex, not numeric, or not finite.
    """
    if not os.path.isfile(path):
        raise RunError('no file %r; check the path, or make it first' % path)
    try:
        with open(path, 'rb') as file:
            whole = file.read()
    except OSError as error:
        raise RunError('cannot read %r: %s' % (path, error.strerror or error)) from error
    try:
        content = read_arrays(whole)
    except ValueError as error:
        raise RunError('%r is not a whole MAT-file (%s); make it again' % (path, error)) from error
    arrays = {}
    for name, shape in shapes.items():
        if name not in content:
            raise RunError('%r has no array %r; it was made for something else' % (path, name))
        arrays[name] = _checked(path, name, content[name], shape)
    return arrays


def _checked(path, name, array, shape):
    if array is None:
        raise RunError('%r: array %r does not hold real numbers' % (path, name))
    if not _fits(array.shape, shape):
        raise RunError('%r: array %r has shape %s, expected %s'
                       % (path, name, 'x'.join(map(str, array.shape)),
                          'x'.join('N' if n is None else str(n) for n in shape)))
    with np.errstate(over='ignore'):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise RunError('%r: array %r contains NaN or infinity' % (path, name))
    return array.reshape([-1 if n is None else n for n in shape])


def _fits(found, wanted):
    if len(found) == len(wanted) and all(w in (None, f) for f, w in zip(found, wanted)):
        return True
    return None not in wanted and [n for n in found if n != 1] == [n for n in wanted if n != 1]


def save_text(path, text):
    with atomic_write(path) as file:
        file.write(text.encode())


def save_json(path, content):
    save_text(path, json.dumps(content, indent=1, sort_keys=True) + '\n')


def load_json(path):
    """The content of a JSON file, or None where there is no whole one."""
    try:
        with open(path, 'rb') as file:
            return json.loads(file.read().decode())
    except (OSError, ValueError):
        return None


def sha256(path):
    """Hex digest of a file's content, or None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            for block in iter(lambda: file.read(1 << 20), b''):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def save_result(path, args, inputs, outputs, **values):
    """Writes what a run was made with and what it made, as the run's last file.

    args: a Namespace; inputs: {role: path} of the files it depends on; outputs: paths of those it made.
    Both are recorded by their SHA-256.
    """
    save_json(path, dict(values, **_fingerprint(args, inputs, outputs)))


def load_result(path, args, inputs, outputs):
    """The result at ``path`` if it is whole and of just these arguments, inputs and outputs, else None."""
    result = load_json(path)
    if isinstance(result, dict) and \
            all(result.get(key) == value for key, value in _fingerprint(args, inputs, outputs).items()):
        return result
    return None


def _fingerprint(args, inputs, outputs):
    return {'arguments': vars(args),
            'inputs': {role: sha256(name) for role, name in inputs.items()},
            'outputs': {os.path.basename(name): sha256(name) for name in outputs}}


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
