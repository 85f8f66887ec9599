"""Compares students, and so the settings that made them, without any image.

    python tools/agreement.py --teacher MNIST/tch/train_params.mat --impressions DI*/DI-5.mat \\
        --students MNIST/zskd*/train_params.mat

Prints how often each student's class is its teacher's, in per cent: on 500 impressions of every file, and on
an affine copy of each. Give the impressions of all settings and a student of each. A student of poor
impressions agrees on its own impressions and not on the others'. docs/studies.md says how well this ranks
students.
"""
import os
import sys

import numpy as np
from tabulate import tabulate

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from export.source import student_of
from nets.networks import find_pair
from teachers.formats import TeacherOptions, teacher_file
from teachers.trained import open_teacher
from utils.console import run
from utils.data.impressions import load_impressions
from utils.data.transfer_set import with_affine_copies
from utils.files import RunError
from utils.records.origins import check_impressions
from utils.settings.flags import add_nets, add_teacher
from utils.settings.parser import Parser, path
from utils.settings.recipes import LENET

EACH = 500


def main(argv=None):
    parser = Parser(prog='agreement.py', description=__doc__)
    parser.add_argument('--impressions', nargs='+', required=True, type=path, metavar='FILE',
                        help='DI-R.mat of each setting')
    parser.add_argument('--students', nargs='+', required=True, type=path, metavar='FILE',
                        help='train_params.mat of each student')
    add_teacher(parser)
    add_nets(parser, default='lenet')
    args = parser.parse_args(argv)
    rng = np.random.RandomState(0)
    teacher = open_teacher(teacher_file(args.teacher), find_pair(args.nets), TeacherOptions.of(args))
    sources = [load_impressions(file, teacher.image_shape, teacher.classes) for file in args.impressions]
    for source in sources:
        check_impressions(source, teacher)
    images = np.concatenate([source.images[rng.permutation(len(source.images))[:EACH]] for source in sources])
    moves = {name: LENET.augmentation[name] for name in ('rotation', 'scale', 'shift')}
    sets = np.split(with_affine_copies(images, 1, rng=rng, **moves), 2)
    right = [teacher.answers(each).argmax(axis=1) for each in sets]
    rows = []
    for file in args.students:
        student = student_of(file, args.nets, teacher)
        if (student.image_shape, student.classes) != (teacher.image_shape, teacher.classes):
            raise RunError('%r takes other images than %r, or tells other classes; leave it out'
                           % (file, teacher.path))
        rows.append([file] + ['%.2f' % (100 * np.mean(student.answers(each).argmax(axis=1) == expected))
                              for each, expected in zip(sets, right)])
    print(tabulate(rows, ['student', 'impressions', 'copies'], tablefmt='github', disable_numparse=True))


if __name__ == '__main__':
    run(main)
