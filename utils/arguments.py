"""Every flag of the two working scripts, and every hyper-parameter's default.

How the defaults were chosen, always without the test set: results/STUDIES.md.
"""
import argparse
import math
import os

from utils.mnist import TRAIN
from utils.schedule import SCHEDULES

DEFAULTS = {
    # ce_weight is the factor of the cross entropy with the labels, kl_weight that of T^2 KL(teacher || student).
    'Teacher': dict(batch_size=128, learning_rate=2e-3, schedule='cosine',
                    weight_decay=1e-3, ce_weight=1.0, kl_weight=0.0),
    'Student': dict(batch_size=128, learning_rate=4e-3, schedule='cosine',
                    weight_decay=5e-4, ce_weight=1.0, kl_weight=0.0),
    'Soft_logits': dict(batch_size=128, learning_rate=1e-2, schedule='cosine',
                        weight_decay=1e-2, ce_weight=0.0, kl_weight=1.0),
    # Without warm-up some filters of conv1 die here: no impression makes them answer, and weight decay does the rest.
    'ZSKD': dict(batch_size=512, learning_rate=1e-2, schedule='warmup',
                 weight_decay=8e-4, ce_weight=0.0, kl_weight=1.0),
    'ZSKD_augment': dict(batch_size=128, learning_rate=1e-2, schedule='cosine',
                         weight_decay=1e-3, ce_weight=0.0, kl_weight=1.0),
}
# Optimiser steps with all 60,000 images.
STEPS = {'Teacher': 12000, 'Student': 12000, 'Soft_logits': 16000, 'ZSKD': 8000, 'ZSKD_augment': 25000}
AUGMENTED_SET = 100000


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong in one line, and exits with status 2."""

    def error(self, message):
        self.exit(2, '%s: error: %s; see --help\n' % (self.prog, message))


def defaults_for(method, items):
    """{name: value} of DEFAULTS and ``steps``, fitted to ``items`` images to learn from.

    A smaller set needs fewer steps, though not in proportion. Impressions without copies do better with
    as many steps of smaller batches and with more weight decay: otherwise the student learns what is odd
    about the few there are.
    """
    values = dict(DEFAULTS[method], steps=STEPS[method])
    if method == 'ZSKD':
        share = (items / TRAIN) ** 0.75
        values['batch_size'] = max(8, round(values['batch_size'] * share))
        values['weight_decay'] /= share
    else:
        values['steps'] = int(values['steps'] * (0.25 + 0.75 * math.sqrt(items / TRAIN)))
    return values


def default_copies(items):
    """Affine copies of every impression, for about AUGMENTED_SET images in all, but at least 4."""
    return max(4, min(100, round(AUGMENTED_SET / items)))


def training_arguments(argv=None):
    """The flags of train_w_distill.py as a Namespace, with all that depends on the method filled in.

    Beyond the flags it holds ``method`` and ``rate``. A wrong flag ends the process with status 2.
    """
    parser = Parser(
        prog='train_w_distill.py', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Trains LeNet-5 (Teacher), or LeNet-5-half (Student) alone or by distillation.',
        epilog='defaults by method, for 60,000 images:\n' + '\n'.join(
            '  %-12s %s' % (method, ', '.join('%s %s' % pair for pair in sorted(
                defaults_for(method, TRAIN).items()))) for method in DEFAULTS) +
               '\nfor N images: steps times 1/4 + 3/4 sqrt(N / 60,000); but for ZSKD without --augment,\n'
               'batch_size times (N / 60,000)^(3/4), weight_decay divided by it;\n'
               'copies: %d / N, from 4 to 100' % AUGMENTED_SET)
    add = parser.add_argument
    add('--train_dir', required=True, type=path, metavar='DIR', help='weights, curves and result go here')
    add('--main_scope', required=True, choices=['Teacher', 'Student'], help='the network to train')
    add('--Distillation', default='None', type=_distillation, metavar='{None,Soft_logits-R,ZSKD-R}',
        help='what the student learns from: labels, R %% of the real images, or R %% of impressions '
             '(default: None)')
    add('--augment', action='store_true', help='ZSKD: add affine copies of the impressions')
    add('--impressions', default='DI', type=path, metavar='DIR', help='where DI-R.mat is (default: DI)')
    add('--publish', default=os.path.join('pre_trained', 'Lenet5.mat'), type=path, metavar='FILE',
        help='Teacher: where the trained weights go as well (default: %(default)s)')
    add('--steps', type=whole(1), help='optimiser steps (default: by method and number of images)')
    add('--batch_size', type=whole(1, TRAIN), help='images per step (default: by method and number of images)')
    add('--learning_rate', type=real(above=0), help="Adam's learning rate, before --schedule (default: by method)")
    add('--schedule', choices=SCHEDULES,
        help='learning rate over the steps: cosine decay to 0, that times a factor growing to 1 over the first '
             'tenth (warmup), or constant (default: by method)')
    add('--weight_decay', type=real(0), help='factor of the L2 penalty (default: by method and number of images)')
    add('--temperature', default=20.0, type=real(above=0), help='T of the distillation loss (default: 20)')
    add('--ce_weight', type=real(0), help='weight of the cross entropy with the labels (default: by method)')
    add('--kl_weight', type=real(0),
        help='weight of T^2 KL(teacher || student); 1/T^2 = 0.0025 gives the plain KL (default: by method)')
    add('--copies', type=whole(1, 1000), help='--augment: copies per impression (default: by number of impressions)')
    add('--rotation', default=15.0, type=real(0, 180), help='--augment: degrees either way (default: 15)')
    add('--scale', default=0.15, type=real(0, 0.9), help='--augment: fraction either way (default: 0.15)')
    add('--shift', default=3.0, type=real(0, 31), help='--augment: pixels either way (default: 3)')
    add('--holdout', default=0, type=whole(0, TRAIN // 2),
        help='evaluate on the last N training images, unseen in training, instead of the test set (default: 0)')
    _add_teacher(parser)
    add_common(parser)
    args = parser.parse_args(argv)

    kind, _, rate = args.Distillation.partition('-')
    if args.main_scope == 'Teacher' and kind != 'None':
        parser.error('a Teacher is trained with --Distillation None')
    if args.augment and kind != 'ZSKD':
        parser.error('--augment goes with --Distillation ZSKD-R')
    args.rate = float(rate) if rate else 100.0
    args.method = args.main_scope if kind == 'None' else kind + '_augment' * args.augment
    items = share_of(args.rate, TRAIN if kind == 'ZSKD' else TRAIN - args.holdout)
    for name, value in defaults_for(args.method, items).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.ce_weight == args.kl_weight == 0:
        parser.error('--ce_weight and --kl_weight cannot both be 0')
    if args.ce_weight and kind == 'ZSKD':
        parser.error('--ce_weight needs labels, and impressions have none; use 0')
    if args.kl_weight and kind == 'None':
        parser.error('--kl_weight needs a teacher; use --Distillation')
    args.copies = (args.copies or default_copies(items)) if args.augment else 0
    return args


def impression_arguments(argv=None):
    """The flags of Data_Impressions.py as a Namespace. A wrong flag ends the process with status 2."""
    parser = Parser(
        prog='Data_Impressions.py', formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Synthesises data impressions from a trained teacher, without any image.')
    add = parser.add_argument
    add('--Rate', required=True, default=argparse.SUPPRESS, type=rate_value, metavar='R',
        help='impressions to make, in %% of 60,000')
    add('--save_path', default='DI', type=path, metavar='DIR', help='DI-R.mat goes here')
    add('--iterations', default=100, type=whole(1), help='Adam steps per impression')
    add('--learning_rate', default=0.3, type=real(above=0), help="Adam's, decaying to 0 by a cosine")
    add('--beta2', default=0.9, type=real(0, 0.999999), help="Adam's memory of squared gradients")
    add('--temperature', default=10.0, type=real(above=0), help="T of the teacher's softmax")
    add('--l2', default=1e-3, type=real(0), help='factor of ||x||^2 / 2, for each impression')
    add('--betas', default=[0.1, 1.0], type=real(above=0), nargs='+', help='Dirichlet scales, in equal parts')
    add('--batch_size', default=128, type=whole(1, TRAIN), help='impressions at a time; does not change them')
    _add_teacher(parser)
    add_common(parser)
    return parser.parse_args(argv)


def add_common(parser):
    add = parser.add_argument
    add('--data', default='data', type=path, metavar='DIR', help='where MNIST is kept (default: %(default)s)')
    add('--seed', default=0, type=whole(0, 2 ** 31 - 1), help='of every random draw (default: %(default)s)')
    add('--threads', default=1, type=whole(1, 1024),
        help='CPU threads per process; with 1 the same bytes come out every time (default: %(default)s)')


def _add_teacher(parser):
    parser.add_argument('--teacher', default='Lenet5', type=path,
                        help='a name in pre_trained/, or a path to a .mat (default: %(default)s)')


def teacher_path(name):
    """Path of ``--teacher``: a name in pre_trained/, or a path that ends in .mat."""
    return name if name.endswith('.mat') else os.path.join('pre_trained', name + '.mat')


def training_files(args):
    """({role: path} of what a training depends on beside MNIST, [paths of the weights it writes])."""
    inputs = {}
    if args.Distillation != 'None':
        inputs['teacher'] = teacher_path(args.teacher)
    if args.method.startswith('ZSKD'):
        inputs['impressions'] = os.path.join(args.impressions, 'DI-%g.mat' % args.rate)
    outputs = [os.path.join(args.train_dir, name) for name in ('train_params.mat', 'best_params.mat')]
    return inputs, outputs + [args.publish] * (args.main_scope == 'Teacher')


def impression_files(args):
    """The same for a synthesis of impressions."""
    return {'teacher': teacher_path(args.teacher)}, [os.path.join(args.save_path, 'DI-%g.mat' % args.Rate)]


def training_result(args):
    return os.path.join(args.train_dir, 'result.json')


def impression_result(args):
    return os.path.join(args.save_path, 'DI-%g.json' % args.Rate)


def share_of(rate, total):
    """``rate`` per cent of ``total``, rounded; at least 1."""
    return max(1, int(round(rate * total / 100)))


def whole(low, high=math.inf):
    """An argparse type: a whole number from low to high."""
    def parse(text):
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError('%s is not a whole number %s' % (text, _range(low, high)))
        return value
    return _named(parse, 'whole number')


def real(low=None, high=math.inf, above=None):
    """An argparse type: a finite number from ``low``, or above ``above``, up to high."""
    def parse(text):
        value = float(text)
        fits = value >= low if above is None else value > above
        if not (fits and value <= high and math.isfinite(value)):
            raise argparse.ArgumentTypeError('%s is not a number %s' % (
                text, _range(low, high) if above is None else 'above %g%s' % (above, _up_to(high))))
        return value
    return _named(parse, 'number')


def rate_value(text):
    """An argparse type: a rate in per cent, from one item in 60,000 up to 100."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 100 / TRAIN <= value <= 100:
        raise argparse.ArgumentTypeError('%s is not a rate in (0, 100] per cent that makes at least one image' % text)
    return value


def _distillation(text):
    kind, _, rate = text.partition('-')
    if text == 'None' or (kind in ('Soft_logits', 'ZSKD') and rate):
        if rate:
            rate_value(rate)
        return text
    raise argparse.ArgumentTypeError('%r is none of None, Soft_logits-R, ZSKD-R' % text)


def path(text):
    if not text or '\0' in text:
        raise argparse.ArgumentTypeError('a path cannot be empty or hold a zero byte')
    return text


def _named(parse, name):
    parse.__name__ = name  # what argparse calls it where int() or float() fails
    return parse


def _range(low, high):
    return 'of at least %g' % low if high == math.inf else 'from %g to %g' % (low, high)


def _up_to(high):
    return '' if high == math.inf else ' up to %g' % high
