"""Files that are whole or absent, and the errors that a user sees as a single line."""
import contextlib
import functools
import glob
import hashlib
import json
import os
import stat
import uuid

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEMPORARY = '.zskd-%s.tmp'  # names of files being written; no other program's look so


class RunError(Exception):
    """What went wrong and the way out, in one line for the user."""


class FlagError(Exception):
    """A wrong combination of flags, in one line for the user."""


@contextlib.contextmanager
def atomic_write(path):
    """Yields a binary file that becomes ``path`` when the block ends well, and vanishes otherwise.

    Raises RunError where the folder cannot be made or written, or the disk is full.
    """
    path = os.path.abspath(path)
    temporary = temporary_name(os.path.dirname(path))
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, 'xb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError('cannot write %r: %s; make room or choose a folder that can be written'
                       % (path, error.strerror or error)) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def temporary_name(folder):
    """A new name in a folder for a file that ``remove_leftovers`` may delete."""
    return os.path.join(folder, TEMPORARY % uuid.uuid4().hex)


def open_file(path):
    """A file opened for reading, binary; raises OSError, and RunError for what is no regular file.

    Reading a FIFO or a device might never end.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise RunError('%r is a %s, not a file; give the path of a file'
                       % (path, 'folder' if stat.S_ISDIR(mode) else 'FIFO, device or socket'))
    return open(path, 'rb')


def read_bytes(path, most=-1):
    """The content of a file, or its first ``most`` bytes; raises RunError where it cannot be read."""
    try:
        with open_file(path) as file:
            return file.read(most)
    except (FileNotFoundError, NotADirectoryError) as error:
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
        for path in glob.glob(os.path.join(glob.escape(folder), TEMPORARY % '*')):
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
        with open_file(path) as file:
            return json.loads(file.read().decode('utf-8-sig'))  # as an editor may save it
    except PermissionError as error:
        raise RunError('cannot read %r: %s' % (path, error.strerror)) from error
    except (OSError, RunError, ValueError, RecursionError):
        return None


def sha256(path):
    """Hex digest of a file's content, or None where it cannot be read.

    A process reads a file once for as long as its inode, size and time of change stay.
    """
    try:
        status = os.stat(path)
        return _sha256(path, (status.st_ino, status.st_size, status.st_mtime_ns))
    except (OSError, RunError):
        return None


@functools.lru_cache(maxsize=None)
def _sha256(path, version):
    digest = hashlib.sha256()
    with open_file(path) as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
