"""The scripts' flags: argparse parsers and the types of numbers. The values of hyper-parameters are in utils/recipes.py."""
import argparse
import functools
import math
import os
import shlex

from utils import recipes
from utils.datasets import DATASETS, title
from utils.methods import METHODS
from utils.schedule import SCHEDULES


class Parser(argparse.ArgumentParser):
    """Shows defaults, and says what is wrong in one line, with exit status 2."""

    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        pass

    def __init__(self, **options):
        super().__init__(formatter_class=self.Formatter, allow_abbrev=False, **options)

    def error(self, message):
        self.exit(2, '%s: error: %s; see --help\n' % (self.prog, message))

    def complete(self, settings_for, flags):
        """``settings_for(flags)``; a ValueError of it is the user's error."""
        try:
            return settings_for(flags)
        except ValueError as error:
            self.error(error)


def training_flags(argv=None):
    """All settings of train_w_distill.py as a Namespace. A wrong flag ends the process with status 2."""
    parser = training_parser()
    parser.add_argument('--train_dir', required=True, default=argparse.SUPPRESS, type=path, metavar='DIR',
                        help='weights, curves and result go here')
    return parser.complete(recipes.training_settings, vars(parser.parse_args(argv)))


def training_parser():
    """The flags of train_w_distill.py but for --train_dir; a hyper-parameter that is not given is left out."""
    parser = Parser(prog='train_w_distill.py', epilog=recipes.tables(recipes.training_rows),
                    description='Trains LeNet-5 (Teacher), or LeNet-5-half (Student) alone or by distillation.')
    add = parser.add_argument
    add('--main_scope', default='Student', choices=['Teacher', 'Student'], help='the network to train')
    add('--Distillation', default='None', type=distillation, metavar='{None,Soft_logits-R,ZSKD-R}',
        help='what the student learns from: labels, R %% of the real images, or R %% of impressions')
    add('--augment', action='store_true', help='ZSKD: add affine copies of the impressions')
    add('--impressions', default='DI', type=path, metavar='DIR', help='where DI-R.mat is')
    add('--holdout', default=0, type=number(int, 0, recipes.NOMINAL // 2), metavar='N',
        help='evaluate on the last N training images, unseen in training, instead of the test images')
    add_teacher(parser)
    add_common(parser)
    add = hyper_parameters(parser)
    add('--steps', type=number(int, 1), help='optimiser steps')
    add('--batch_size', type=number(int, 1, recipes.NOMINAL), help='images per step')
    add('--learning_rate', type=number(float, 0, above=True), help="Adam's learning rate, before --schedule")
    add('--schedule', choices=SCHEDULES, help='learning rate over the steps: constant, cosine decay to 0, or that '
                                              'after a warm-up over the first tenth')
    add('--weight_decay', type=number(float, 0), help='factor of ||weights||^2 / 2')
    add('--temperature', type=number(float, 0, above=True), help='T of the distillation loss')
    add('--ce_weight', type=number(float, 0), help='factor of the cross entropy with the labels')
    add('--kl_weight', type=number(float, 0), help='factor of T^2 KL(teacher || student)')
    add('--copies', type=number(int, 1, 1000), help='--augment: copies of every impression')
    add('--rotation', type=number(float, 0, 180), help='--augment: degrees either way')
    add('--scale', type=number(float, 0, 0.9), help='--augment: fraction either way')
    add('--shift', type=number(float, 0, 31), help='--augment: pixels either way')
    return parser


def synthesis_flags(argv=None):
    """All settings of Data_Impressions.py as a Namespace. A wrong flag ends the process with status 2."""
    parser = synthesis_parser()
    parser.add_argument('--Rate', required=True, default=argparse.SUPPRESS, type=rate, metavar='R',
                        help='impressions to make, in %% of 60,000')
    return recipes.synthesis_settings(vars(parser.parse_args(argv)))


def synthesis_parser():
    """The flags of Data_Impressions.py but for --Rate; a hyper-parameter that is not given is left out."""
    parser = Parser(prog='Data_Impressions.py', epilog=recipes.tables(recipes.synthesis_rows),
                    description='Synthesises data impressions from a trained teacher, without any image.')
    parser.add_argument('--save_path', default='DI', type=path, metavar='DIR', help='DI-R.mat goes here')
    add_teacher(parser)
    add_common(parser)
    add = hyper_parameters(parser)
    add('--iterations', type=number(int, 1), help='Adam steps per impression')
    add('--learning_rate', type=number(float, 0, above=True), help="Adam's learning rate, before --schedule")
    add('--schedule', choices=SCHEDULES, help='learning rate over the iterations')
    add('--beta2', type=number(float, 0, 0.999999), help="Adam's memory of squared gradients")
    add('--epsilon', type=number(float, 0, above=True), help="Adam's epsilon")
    add('--temperature', type=number(float, 0, above=True), help="T of the teacher's softmax")
    add('--start_blur', type=number(float, 0, 32), help='pixels by which the noise at the start is blurred (standard deviation '
                                                        'of a Gaussian); 0: white noise')
    add('--l2', type=number(float, 0), help='factor of ||x||^2 / 2, for each impression')
    add('--total_variation', type=number(float, 0), help='factor of the total variation, for each impression')
    add('--jitter', type=number(int, 0, 31), help='pixels either way that the teacher sees it moved by, anew in every iteration')
    add('--betas', type=number(float, 0, above=True), nargs='+', help='Dirichlet scales, in equal parts')
    add('--batch_size', type=number(int, 1, recipes.NOMINAL), help='impressions at a time; does not change them')
    return parser


def table_flags(argv=None):
    """(parser, settings of autotrain.py as a Namespace); ``training`` and ``synthesis`` are {flag: value} for its jobs."""
    parser = Parser(prog='autotrain.py', description='Fills the whole table: every method at every rate, several runs.')
    add = parser.add_argument
    add('--runs', default=5, type=number(int, 1, 1000), help='run i has seed --seed + i')
    add('--rates', default=recipes.RATES, type=rate, nargs='+', metavar='R', help='in %% of 60,000')
    add('--methods', default=argparse.SUPPRESS, choices=list(METHODS), nargs='+',
        help='columns of the table; the teacher is always one (default: all of the recipe)')
    add('--jobs', default=os.cpu_count() or 1, type=number(int, 1, 1024), help='processes at a time, on this machine')
    add('--scheduler', default=argparse.SUPPRESS, type=path, metavar='ADDRESS',
        help="run on the workers of a Dask cluster instead: its scheduler's address (tcp://host:8786) or file")
    add('--budget', default=1.0, type=number(float, 0, above=True), help='factor on all steps and iterations')
    add('--training', default='', metavar='"FLAGS"', help='hyper-parameters, or --holdout, for every train_w_distill.py')
    add('--synthesis', default='', metavar='"FLAGS"', help='hyper-parameters for every Data_Impressions.py')
    add('--root', default=argparse.SUPPRESS, type=path, metavar='DIR',
        help="everything is written here (default: MNIST, FashionMNIST, or the file's name)")
    add_common(parser)
    args = parser.parse_args(argv)
    if args.dataset == 'none':
        parser.error('a table needs a data set; --dataset none is for Data_Impressions.py and train_w_distill.py')
    args.rates = sorted(set(args.rates))
    args.root = getattr(args, 'root', title(args.dataset))
    args.scheduler = getattr(args, 'scheduler', None)
    wanted = getattr(args, 'methods', recipes.TRAINING[args.recipe])
    args.methods = [name for name in METHODS if name in wanted or name == 'Teacher']
    for name, jobs_parser, allowed in (('training', training_parser(), recipes.HYPER_PARAMETERS | {'holdout'}),
                                       ('synthesis', synthesis_parser(), set(recipes.SYNTHESIS['default']))):
        try:
            values = given(jobs_parser, shlex.split(getattr(args, name)))
        except ValueError as error:
            parser.error('--%s: %s' % (name, error))
        for other in set(values) - allowed:
            parser.error('--%s takes %s, not --%s' % (name, ', '.join(sorted(allowed)), other))
        setattr(args, name, values)
    return parser, args


def picture_flags(argv=None):
    """The settings of visualization.py as a Namespace."""
    parser = Parser(prog='visualization.py', description='Draws the class similarity, impressions, and the accuracies.')
    add = parser.add_argument
    add('--impressions', type=path, metavar='FILE', default=argparse.SUPPRESS,
        help='impressions to show (default: DI/DI-1.mat, made from the teacher if it is not there)')
    add('--student', type=path, metavar='FILE', default=argparse.SUPPRESS,
        help='weights of a student (or teacher): draw confusion.png alone, its predictions on the test images')
    add('--results', type=path, metavar='FILE', default=argparse.SUPPRESS,
        help="results.csv of autotrain.py (default: that of the data set's folder, or the committed one in results/)")
    add('--save_path', default='pictures', type=path, metavar='DIR', help='where the pictures go')
    add('--rows', default=5, type=number(int, 1, 50), help='impressions per class')
    add('--show', action='store_true', help='open windows as well')
    add_teacher(parser)
    add_dataset(parser)
    return parser.parse_args(argv, argparse.Namespace(impressions=None, student=None, results=None))


def given(parser, words):
    """{flag: value} of the flags that ``words`` hold, without defaults."""
    unset = dict.fromkeys(vars(parser.parse_args([])))
    values = vars(parser.parse_args(words, argparse.Namespace(**unset)))
    return {name: value for name, value in values.items() if value is not None}


def command_line(flags):
    """The words that {flag: value} is on a command line."""
    words = []
    for name, value in flags.items():
        if isinstance(value, list):
            words += ['--' + name] + [str(item) for item in value]
        elif value is True:
            words.append('--' + name)
        elif value is not False:
            words.append('--%s=%s' % (name, value))
    return words


def add_teacher(parser):
    parser.add_argument('--teacher', default='Lenet5', type=path, help='a name in pre_trained/, or a path to a .mat')


def add_common(parser):
    add = parser.add_argument
    add('--recipe', default='default', choices=recipes.RECIPES, help='where hyper-parameters come from')
    add_dataset(parser)
    add('--seed', default=0, type=number(int, 0, 2 ** 31 - 1), help='of every random draw')
    add('--threads', default=1, type=number(int, 1, 1024),
        help='CPU threads per process; with 1 the same bytes come out every time')


def add_dataset(parser):
    add = parser.add_argument
    add('--dataset', default='mnist', type=dataset, metavar='{mnist,fashion_mnist,FILE.npz,none}',
        help="a known data set, or a file in the layout of Keras' mnist.npz; none: impressions alone, no image is read")
    add('--data', default='data', type=path, metavar='DIR', help='where known data sets are kept')


def hyper_parameters(parser):
    group = parser.add_argument_group('hyper-parameters (defaults: below)')
    return functools.partial(group.add_argument, default=argparse.SUPPRESS)


def number(kind, low, high=math.inf, above=False):
    """An argparse type: a finite ``kind`` (int or float) from ``low``, or above it, up to ``high``."""
    def parse(text):
        value = kind(text)
        if not ((low < value if above else low <= value) and value <= high and value < math.inf):
            raise argparse.ArgumentTypeError('%s is not %s %g%s' % (
                text, 'above' if above else 'at least', low, '' if high == math.inf else ' and at most %g' % high))
        return value
    parse.__name__ = 'whole number' if kind is int else 'number'  # what argparse calls it where ``kind`` fails
    return parse


def rate(text):
    """An argparse type: a rate in per cent that makes at least one image, up to 100."""
    return number(float, 100 / recipes.NOMINAL, 100)(text)


def distillation(text):
    """An argparse type: None, Soft_logits-R or ZSKD-R."""
    kind, _, percent = text.partition('-')
    if text != 'None':
        if kind not in ('Soft_logits', 'ZSKD') or not percent:
            raise argparse.ArgumentTypeError('%r is none of None, Soft_logits-R, ZSKD-R' % text)
        rate(percent)
    return text


def dataset(text):
    """An argparse type: a known data set, the path of a .npz file, or none."""
    if text not in [*DATASETS, 'none'] and not text.endswith('.npz'):
        raise argparse.ArgumentTypeError('%r is none of %s, FILE.npz, none' % (text, ', '.join(DATASETS)))
    return path(text)


def path(text):
    if not text or '\0' in text:
        raise argparse.ArgumentTypeError('a path cannot be empty or hold a zero byte')
    return text
