"""The flags of autotrain.py."""
import os
import shlex

from teachers.formats import FLAGS
from utils.data import datasets
from utils.data.datasets import DATASETS
from utils.settings import flags, hyper_parameters, recipes
from utils.settings.methods import METHODS, TABLE, teaching
from utils.settings.parser import Parser, joined, number, path, rate
from utils.table.machine import jobs_at_a_time


def table_flags(argv=None):
    """(parser, settings of autotrain.py as a Namespace); ``training`` and ``synthesis`` are {flag: value}."""
    parser = Parser(prog='autotrain.py',
                    description='Fills the whole table: every method at every rate, several runs.')
    add = parser.add_argument
    add('--runs', default=5, type=number(int, 1, 1000), help='number of runs; run i has seed --seed + i')
    add('--rates', default=recipes.RATES, type=rate, nargs='+',
        metavar='R', help='%% of 60,000 impressions (cifar10: 50,000); for soft-logits of the data set')
    add('--methods', choices=list(METHODS), nargs='+',
        help='columns of the table; students learn from Teacher, or from Teacher_augment if it is the only '
             'teacher (default: %s)' % ' '.join(TABLE))
    add('--jobs', type=number(int, 1, 1024),
        help='processes at a time, on this machine (default: as many as its cores, and with --device gpu '
             "the GPUs' memory, carry)")
    add('--scheduler', type=path, metavar='ADDRESS',
        help="run on the workers of a Dask cluster instead: its scheduler's address (tcp://host:8786) or "
             "file")
    add('--budget', default=1.0, type=number(float, 0, above=True), help='factor on all steps and iterations')
    add('--training', default='', metavar='"FLAGS"',
        help='hyper-parameters, or --holdout, for train_w_distill.py')
    add('--synthesis', default='', metavar='"FLAGS"', help='hyper-parameters for Data_Impressions.py')
    add('--root', type=path, metavar='DIR',
        help="folder of the table (default: MNIST, FashionMNIST, ..., or the file's name and '-table'; with "
             "--teacher the teacher's name, '-' and the data set's)")
    flags.add_teacher(parser, default=None, instead='every run trains its own')
    flags.add_common(parser)
    args = parser.parse_args(joined(argv, '--training', '--synthesis'))
    check_together(parser, args)
    args.nets = flags.with_nets(vars(args))['nets']
    args.kind = flags.teacher_kind(vars(args))
    args.rates = sorted(set(args.rates))
    args.jobs = args.jobs or jobs_at_a_time(args.device, args.threads)
    args.root = args.root or default_root(args.dataset, args.teacher)
    args.methods = table_methods(parser, args)
    args.training = job_flags(parser, 'training', args.training, flags.training_parser(),
                              {*hyper_parameters.TRAINING, 'holdout'})
    args.synthesis = job_flags(parser, 'synthesis', args.synthesis, flags.synthesis_parser(),
                               set(hyper_parameters.SYNTHESIS))
    return parser, args


def check_together(parser, args):
    """Ends the process where flags do not go together."""
    if args.dataset == 'none' and not args.teacher:
        parser.error('a table with --dataset none needs a --teacher')
    if not args.teacher:
        for flag in FLAGS + ('any_teacher',):
            if getattr(args, flag):
                parser.error('--%s goes with --teacher' % flag)
    if args.scheduler and args.jobs:
        parser.error('--jobs does nothing with --scheduler; a worker runs a job per thread')
    if args.seed + args.runs - 1 > flags.LARGEST_SEED:
        parser.error('--seed %d: with %d runs it can be at most %d'
                     % (args.seed, args.runs, flags.LARGEST_SEED - args.runs + 1))


def table_methods(parser, args):
    """The names of the methods that are the columns of a table."""
    fits = {name: not args.teacher or method.role == 'Student' and (
        args.dataset != 'none' or method.from_impressions) for name, method in METHODS.items()}
    usual = [name for name in TABLE if fits[name] and (not args.teacher or METHODS[name].has_teacher)]
    for name in args.methods or []:
        if not fits[name]:
            parser.error('--methods %s does not go with --teacher%s'
                         % (name, ' --dataset none' * (args.dataset == 'none')))
    recipe = parser.checked(recipes.recipe_for, args.recipe, args.nets).training
    wanted = args.methods or [name for name in usual if name in recipe]
    if not args.teacher and not teaching(wanted) and any(METHODS[name].has_teacher for name in wanted):
        wanted = ['Teacher', *wanted]
    return [name for name in METHODS if name in wanted]


def job_flags(parser, name, text, jobs_parser, allowed):
    """{flag: value} of the flags for jobs that the flag ``name`` holds as a text."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        parser.error('--%s: %s' % (name, error))
    values = jobs_parser.typed(words)
    for other in set(values) - allowed:
        parser.error('--%s takes %s, not --%s' % (name, ', '.join(sorted(allowed)), other))
    return values


def default_root(dataset, teacher=None):
    """The default folder of a table, another one for each data set and teacher."""
    name = datasets.title(dataset)
    if teacher:
        return '%s-%s' % (os.path.splitext(os.path.basename(teacher.rstrip('/')))[0], name)
    return name if dataset in DATASETS else name + '-table'
