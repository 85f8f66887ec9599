"""Ranks students without any data: how often each answers as the teacher does, on impressions made in several ways.

    python results/agreement.py --teacher Lenet5 --impressions DI*/DI-5.mat --students */train_params.mat

Give the impressions of all the settings that are compared, and a student of each: one that learnt from impressions that look
like no image agrees on its own and not on the others'. ``impressions``: on 500 of every file; ``copies``: on an affine copy
of each. In per cent; how well that ranks students by accuracy is in STUDIES.md, "Without any image".
"""
import os
import sys

import numpy as np
from tabulate import tabulate

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from utils.console import run  # noqa: E402
from utils.flags import Parser, add_teacher, path  # noqa: E402
from utils.impressions import load_impressions  # noqa: E402
from utils.layout import teacher_file  # noqa: E402
from utils.recipes import MOVEMENTS  # noqa: E402
from utils.session import logits_of  # noqa: E402
from utils.transfer_set import affine_copies  # noqa: E402

EACH = 500


def main(argv=None):
    parser = Parser(prog='agreement.py', description=__doc__)
    parser.add_argument('--impressions', nargs='+', required=True, type=path, metavar='FILE', help='DI-R.mat of each setting')
    parser.add_argument('--students', nargs='+', required=True, type=path, metavar='FILE', help='train_params.mat of each student')
    add_teacher(parser)
    args = parser.parse_args(argv)
    rng = np.random.RandomState(0)
    images = np.concatenate([some(load_impressions(file)[0], rng) for file in args.impressions])
    looks = [images, affine_copies(images, 1, rng=rng, **MOVEMENTS)]
    teacher = [answers(teacher_file(args.teacher), 'Teacher', look) for look in looks]
    rows = [[file] + ['%.2f' % (100 * np.mean(answers(file, 'Student', look) == right)) for look, right in zip(looks, teacher)]
            for file in args.students]
    print(tabulate(rows, ['student', 'impressions', 'copies'], tablefmt='github', disable_numparse=True))


def some(images, rng):
    """At most EACH of them, drawn at random."""
    return images[rng.permutation(len(images))[:EACH]]


def answers(file, scope, images):
    """The classes [N] that the network in a file sees in images uint8 [N, 32, 32, 1]."""
    return logits_of(file, scope, images, threads=1).argmax(axis=1)


if __name__ == '__main__':
    run(main)
