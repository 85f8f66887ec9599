"""The flags of the scripts; those of autotrain.py are in utils/table/flags.py.

The meanings of hyper-parameters are in hyper_parameters.py beside this file, their values in recipes.py.
"""
import argparse

from nets import PAIRS
from teachers import formats
from teachers.kind import TeacherKind, kind_of
from teachers.weights import has_graph
from utils.data import datasets
from utils.data.datasets import DATASETS
from utils.files import RunError
from utils.settings import hyper_parameters, job_settings, recipes
from utils.settings.parser import Parser, Range, dataset, distillation, nets, number, path, rate
from utils.settings.recipes import OWN_GREY

LARGEST_PIXEL = 1e6
LARGEST_SEED = 2 ** 31 - 1


def training_flags(argv=None):
    """All settings of train_w_distill.py as a Namespace.

    A wrong flag ends the process with status 2. Raises RunError for a data set of the user's own that cannot
    be read.
    """
    parser = training_parser()
    parser.add_argument('--train_dir', required=True, type=path, metavar='DIR',
                        help='folder for weights, curves and record')
    given = with_nets(parser.given(argv))
    return parser.checked(job_settings.training_settings, given, datasets.training_images(given['dataset']),
                          teacher_kind(given))


def training_parser():
    """The flags of train_w_distill.py but for --train_dir."""
    parser = Parser(prog='train_w_distill.py', epilog=job_settings.tables(job_settings.training_rows),
                    description='Trains a teacher, or a student alone or by distillation.')
    add = parser.add_argument
    add('--main_scope', default='Student', choices=['Teacher', 'Student'], help='the network to train')
    add('--Distillation', default='None', type=distillation, metavar='{None,Soft_logits-R,ZSKD-R}',
        help='what the network learns from: labels, the teacher\'s answers to R %% of the real images, or '
             'its answers to impressions')
    add('--augment', action='store_true', help='learn from affine copies of the images as well')
    add('--impressions', type=path, metavar='PATH',
        help="a .mat file of impressions, or a folder with DI-R.mat (default: Data_Impressions.py's)")
    add('--holdout', default=0, type=number(int, 0), metavar='N',
        help='evaluate on N training images, unseen in training, instead of the test images: the last ones '
             'of a known data set, some of every class of other data')
    add_teacher(parser, default=None, instead='Lenet5')
    add_common(parser)
    parser.add_hyper_parameters(hyper_parameters.TRAINING)
    return parser


def synthesis_flags(argv=None):
    """All settings of Data_Impressions.py as a Namespace. A wrong flag ends the process with status 2."""
    parser = synthesis_parser()
    parser.add_argument('--Rate', required=True, type=rate, metavar='R',
                        help='impressions to make, in %% of 60,000 (of the training images of cifar10: '
                             '50,000)')
    given = with_nets(parser.given(argv))
    return parser.checked(job_settings.synthesis_settings, given, teacher_kind(given))


def synthesis_parser():
    """The flags of Data_Impressions.py but for --Rate."""
    parser = Parser(prog='Data_Impressions.py', epilog=job_settings.tables(job_settings.synthesis_rows),
                    description='Synthesises data impressions from a trained teacher, without any image.')
    parser.add_argument('--save_path', type=path, metavar='DIR',
                        help='folder for DI-R.mat (default: DI, or DI/NAME for other data than MNIST)')
    add_teacher(parser)
    add_common(parser)
    parser.add_hyper_parameters(hyper_parameters.SYNTHESIS)
    return parser


def picture_flags(argv=None):
    """The settings of visualization.py as a Namespace."""
    parser = Parser(prog='visualization.py',
                    description='Draws class similarity, impressions and accuracies, or a confusion matrix.')
    add = parser.add_argument
    add('--impressions', type=path, metavar='PATH',
        help="a .mat file of impressions, or a folder with DI-1.mat (default: Data_Impressions.py's, where "
             "they are made if there are none)")
    add('--student', type=path, metavar='FILE',
        help='weights of a student or teacher: draw only confusion.png, its confusion matrix on the test '
             'images')
    add('--results', type=path, metavar='FILE',
        help="results.csv of autotrain.py (default: that of the teacher's table, of the data set's, or the "
             "committed one in results/)")
    add('--save_path', default='pictures', type=path, metavar='DIR', help='folder for the pictures')
    add('--rows', default=5, type=number(int, 1, 50), help='impressions per class')
    add('--show', action='store_true', help='open windows as well')
    add_teacher(parser)
    add_dataset(parser)
    args, unused = parser.parse_args(argv), {'impressions', 'results', 'rows'} & set(parser.typed(argv))
    if args.student and unused:
        parser.error('--%s does nothing with --student' % min(unused))
    parser.checked(job_settings.check_any_teacher, vars(args))
    args.nets = with_nets(vars(args))['nets']
    return args


def add_teacher(parser, default='Lenet5', instead=''):
    """--teacher, and how it is read. instead: what --help says of a default that is None."""
    group = parser.add_argument_group('teacher')
    group.add_argument('--teacher', default=default, type=path, metavar='FILE',
                       help='a name in pre_trained/, or a path: ' + formats.FORMATS
                            + ' (default: %s)' % instead * bool(instead))
    add_teacher_options(group)


def add_teacher_options(group):
    """How a teacher is read; the TeacherOptions of teachers/formats.py has a field for each flag."""
    add, pixel = group.add_argument, number(float, -LARGEST_PIXEL, LARGEST_PIXEL)
    add('--teacher_scale', nargs=2, type=pixel, action=Range, metavar=('LOW', 'HIGH'),
        help="pixel values of black and white in the teacher's input (default: 0 1)")
    add('--teacher_mean', nargs='+', type=pixel, metavar='X',
        help='the teacher sees (pixels - mean) / std, in the units of --teacher_scale; one number, or one '
             'per channel')
    add('--teacher_std', nargs='+', type=number(float, 0, LARGEST_PIXEL, above=True), metavar='X',
        help='see --teacher_mean')
    add('--teacher_input', metavar='NAME', help="the tensor of the teacher's own graph that takes the images")
    add('--teacher_logits', metavar='NAME',
        help="the tensor of the teacher's own graph that holds the logits")


def add_common(parser):
    add = parser.add_argument
    add('--recipe', default='default', choices=list(recipes.RECIPES), help='values of the hyper-parameters')
    add_dataset(parser)
    add('--seed', default=0, type=number(int, 0, LARGEST_SEED), help='seed of every random draw')
    add('--threads', default=1, type=number(int, 1, 1024),
        help='CPU threads per process; 1 gives the same bytes every time')
    add('--device', default='cpu', choices=['cpu', 'gpu'],
        help='device that trains networks and synthesises impressions; a GPU gives other bytes')


def add_dataset(parser):
    add = parser.add_argument
    add('--dataset', default='mnist', type=dataset, metavar='{%s,FILE.npz,none}' % ','.join(DATASETS),
        help="a known data set, or a file in the layout of Keras' mnist.npz; none: impressions alone, no "
             "images")
    add('--data', default='data', type=path, metavar='DIR', help='folder of the known data sets')
    add('--any_teacher', action='store_true', help='accept a network whose record names another data set')
    add_nets(parser)


def add_nets(parser, default=None):
    parser.add_argument('--nets', type=nets, default=default, metavar='{%s,FILE.py}' % ','.join(PAIRS),
                        help='a known pair of networks, or a file with your own'
                             + (default is None) * ' (default: lenet for grey images, alexnet for colour)')


def with_nets(given):
    """The flags with --nets: where it is not given, it is the known pair for images of these channels."""
    if given.get('nets'):
        return given
    return dict(given, nets='alexnet' if teacher_kind(given).channels == 3 else 'lenet')


def teacher_kind(given):
    """The TeacherKind of the teacher that the flags name, as far as can be told.

    A graph of its own tells its channels. Those of other teachers are the data set's, and without one those
    of the first convolution among the weights. What cannot be read counts as grey: it is said later.
    """
    kind = OWN_GREY
    try:
        shape = datasets.image_shape(given['dataset'])
        path = formats.teacher_file(given['teacher']) if given.get('teacher') else None
        if path and (shape is None or has_graph(path)):
            kind = kind_of(path, formats.TeacherOptions.of(argparse.Namespace(**given)), given.get('nets'))
        elif shape:
            kind = TeacherKind(shape[2])
    except RunError:
        return OWN_GREY
    return kind._replace(channels=kind.channels or (shape or (1,))[-1])
