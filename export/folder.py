"""A SavedModel's folder that is whole or absent."""
import contextlib
import os
import tempfile

from utils.files import RunError, make_folder
from utils.graph_mode import tf

MEMBERS = {'saved_model.pb', 'variables', 'assets', 'assets.extra', 'fingerprint.pb'}  # of a SavedModel


@contextlib.contextmanager
def new_folder(path):
    """Yields the name of a folder to make. It becomes ``path`` when the block ends well, else it vanishes.

    A SavedModel at ``path`` is replaced. Raises RunError where anything else is there, or where the folder
    cannot be written.
    """
    path = os.path.realpath(path)
    check_replaceable(path)
    parent, name = os.path.split(path)
    make_folder(parent)
    try:
        with tempfile.TemporaryDirectory(prefix='.%s.' % name, suffix='.tmp', dir=parent) as beside:
            new, old = os.path.join(beside, 'new'), os.path.join(beside, 'old')
            yield new
            if os.path.isdir(path):
                os.rename(path, old)
            try:
                os.rename(new, path)
            except BaseException:
                if os.path.isdir(old):
                    os.rename(old, path)
                raise
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, 'strerror', None) or getattr(error, 'message', None) or error
        raise RunError('cannot write the folder %r: %s; make room or choose another'
                       % (path, reason)) from error


def check_replaceable(path):
    """Raises RunError where ``path`` is neither free, nor an empty folder, nor a SavedModel alone."""
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path):
        raise RunError('%r is a file; a SavedModel is a folder: give another path' % path)
    try:
        members = set(os.listdir(path))
    except OSError as error:
        raise RunError('cannot read the folder %r: %s' % (path, error.strerror)) from error
    if members and ('saved_model.pb' not in members or members - MEMBERS):
        raise RunError('the folder %r holds %r, which no SavedModel has; empty it or give another path'
                       % (path, min(members - MEMBERS or members)))
