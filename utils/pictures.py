"""matplotlib, the same whatever the user's settings, backend, home and display are.

All that draw use this.
"""
import atexit
import os
import shutil
import tempfile
from contextlib import contextmanager

from utils.files import RunError, atomic_write

NO_WINDOWS = {'agg', 'cairo', 'pdf', 'pgf', 'ps', 'svg', 'template'}  # the backends that only write files


def _import_matplotlib():
    """Imports matplotlib, with a home for it where the user has none, and without the user's MPLBACKEND.

    That may be a notebook's, which this Python does not have; show_windows alone needs it.
    """
    if not _home():
        os.environ['HOME'] = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, os.environ['HOME'], ignore_errors=True)
    backend = os.environ.pop('MPLBACKEND', None)
    try:
        import matplotlib.figure
        import matplotlib.style
    finally:
        if backend is not None:
            os.environ['MPLBACKEND'] = backend
    return matplotlib


def _home():
    """The user's home, or '' for a user that has none: no HOME, and no entry in passwd."""
    try:
        return os.path.expanduser('~').replace('~', '')
    except KeyError:  # as Python 3.7 says it
        return ''


matplotlib = _import_matplotlib()


@contextmanager
def default_style():
    """A block in which figures have matplotlib's own defaults, not those of the user's matplotlibrc."""
    with matplotlib.style.context('default'):
        yield


def subplots(rows=1, columns=1, size=(5, 4.2)):
    """A new figure of ``size`` inches, and its axes [rows, columns].

    It has no window, and needs no display.
    """
    figure = matplotlib.figure.Figure(figsize=size)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_picture(figure, path):
    """Writes a figure as PNG, with the same bytes every time; raises RunError where that cannot be."""
    with atomic_write(path) as file:
        figure.savefig(file, format='png', dpi=120, bbox_inches='tight', metadata={'Software': None})


def show_windows(paths):
    """Shows each picture in a window, until all are closed; raises RunError where no window can be opened."""
    try:
        import matplotlib.pyplot as plt  # which looks for a display
        plt.switch_backend(os.environ.get('MPLBACKEND') or plt.rcParams['backend'])
        if plt.get_backend().lower() in NO_WINDOWS:
            raise RuntimeError('there is no display, or matplotlib has no toolkit for it')
        for path in paths:
            axes = plt.figure(os.path.basename(path)).add_axes([0, 0, 1, 1])
            axes.imshow(plt.imread(path))
            axes.axis('off')
        plt.show()
        plt.close('all')
    except Exception as error:  # of many kinds: each window system has its own
        raise RunError('no window can be opened (%s); the pictures are in the files above'
                       % ' '.join(str(error).split())) from error
