"""matplotlib, the same whatever the user's settings, backend, home and display are.

All that draw use this.
"""
import functools
import os
import tempfile
from pathlib import Path

from utils.files import RunError, atomic_write

NO_WINDOWS = {'agg', 'cairo', 'pdf', 'pgf', 'ps', 'svg', 'template'}  # the backends that only write files

try:
    Path.home()
except (KeyError, RuntimeError):  # no HOME and no entry in passwd; KeyError: Python 3.7
    _home = tempfile.TemporaryDirectory()  # matplotlib keeps its caches there; it goes with the process
    os.environ['HOME'] = _home.name
_backend = os.environ.pop('MPLBACKEND', None)  # may be a notebook's, which this Python does not have
import matplotlib.figure
import matplotlib.style

if _backend:
    os.environ['MPLBACKEND'] = _backend  # for show_windows


# A block in which figures have matplotlib's own defaults, not those of the user's matplotlibrc.
default_style = functools.partial(matplotlib.style.context, 'default')


def subplots(rows=1, columns=1, size=(5, 4.2)):
    """A new figure of ``size`` inches, and its axes [rows, columns].

    It has no window, and needs no display.
    """
    figure = matplotlib.figure.Figure(figsize=size)
    return figure, figure.subplots(rows, columns, squeeze=False)


def plain_text(text):
    """A text as matplotlib takes it to show it as it is: between two dollars it would see mathematics."""
    return text.replace('$', r'\$')


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
