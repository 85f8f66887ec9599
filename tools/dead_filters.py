"""Counts the dead filters of trained networks.

A filter of conv1 is dead where all its weights are nearly zero. Nothing revives it.

    python tools/dead_filters.py MNIST/ZSKD*/*/train_params.mat
"""
import os
import sys

import numpy as np
from tabulate import tabulate

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from utils.console import run
from utils.files import RunError
from utils.matfile import mat_arrays
from utils.settings.parser import Parser, path

NEARLY_ZERO = 1e-3  # the largest weight of a filter that is alive is about 0.1 to 0.5


def main(argv=None):
    parser = Parser(prog='dead_filters.py', description=__doc__)
    parser.add_argument('weights', nargs='+', type=path, metavar='FILE',
                        help='train_params.mat of a training')
    rows = [[file, *dead_filters(file)] for file in parser.parse_args(argv).weights]
    print(tabulate(rows, ['weights', 'dead', 'filters'], tablefmt='github'))


def dead_filters(file):
    """(number of dead filters, of all filters) of conv1 in a file of weights, a teacher's or a student's."""
    for name, kernel in mat_arrays(file)[0].items():
        if name.endswith('/conv1/weights') and kernel is not None and kernel.ndim == 4:
            largest = np.abs(kernel).max(axis=(0, 1, 2))
            return int((largest < NEARLY_ZERO).sum()), len(largest)
    raise RunError('%r has no array conv1/weights; give the weights of a teacher or a student' % file)


if __name__ == '__main__':
    run(main)
