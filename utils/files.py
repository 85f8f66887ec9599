"""Files that are whole or absent, and the one kind of error that a user sees as a single line."""
import contextlib
import functools
import glob
import hashlib
import json
import os
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEMPORARY = dict(prefix='.zskd-', suffix='.tmp')  # of files being written; no other program's look so


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
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), **TEMPORARY)
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


def read_bytes(path):
    """The whole content of a file; raises RunError where there is none or it cannot be read."""
    try:
        with open(path, 'rb') as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise RunError('no file %r; check the path, or make it first' % path) from error
    except OSError as error:
        raise RunError('cannot read %r: %s' % (path, error.strerror or error)) from error


def make_folder(path):
    """Makes a folder and its parents; raises RunError where that cannot be."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise RunError('cannot make the folder %r: %s' % (path, error.strerror or error)) from error


def remove_leftovers(folders):
    """Deletes what killed writers left in ``folders``, not below them; only safe where no writer is alive.

    A folder that is not there has none; what may not be deleted stays, and does no harm.
    """
    for folder in folders:
        for path in glob.glob(os.path.join(glob.escape(folder), '{prefix}*{suffix}'.format(**TEMPORARY))):
            with contextlib.suppress(OSError):  # a dying writer may be quicker
                os.unlink(path)


def save_text(path, text):
    with atomic_write(path) as file:
        file.write(text.encode(errors='surrogateescape'))  # a path in it may hold any bytes


def save_json(path, content):
    save_text(path, json.dumps(content, indent=1, sort_keys=True) + '\n')


def load_json(path):
    """The content of a JSON file, or None where there is no whole one.

    Raises RunError where it may not be read.
    """
    try:
        with open(path, 'rb') as file:
            return json.loads(file.read().decode())
    except PermissionError as error:
        raise RunError('cannot read %r: %s' % (path, error.strerror)) from error
    except (OSError, ValueError, RecursionError):
        return None


def sha256(path):
    """Hex digest of a file's content, or None where it cannot be read.

    A process reads a file once for as long as its inode, size and time of change stay.
    """
    try:
        status = os.stat(path)
        return _sha256(path, (status.st_ino, status.st_size, status.st_mtime_ns))
    except OSError:
        return None


@functools.lru_cache(maxsize=None)
def _sha256(path, version):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
