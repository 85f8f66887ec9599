"""The whole table: for every run its own teacher, student alone, impressions, and students distilled
from impressions (plain and augmented) and from real images, at every rate.

    python autotrain.py                                       five runs, five rates
    python autotrain.py --runs 1 --rates 1 10 --budget 0.1    a quick look

Each job is a process of its own (train_w_distill.py or Data_Impressions.py) with a folder and a log of
its own. Stop it whenever you like; the same command goes on where it was. Writes results.csv and
results.md to --root after every job.
"""
import argparse
import os
import shlex
import sys
from contextlib import closing, contextmanager

import filelock

from utils import arguments
from utils.console import Progress, run
from utils.files import RunError, load_json, load_result, make_folder, remove_leftovers, save_json, save_text
from utils.jobs import Job, Jobs, shell_line
from utils.mnist import load_mnist
from utils.table import results_csv, results_markdown, table_row

HERE = os.path.dirname(os.path.abspath(__file__))
DISTILLED = ('Soft_logits', 'ZSKD', 'ZSKD_augment')
FOLDERS = {'Teacher': 'Teacher/tch{run}', 'Student': 'Student/std{run}',
           'Soft_logits': 'Soft_logits{rate:g}/sl{rate:g}_{run}', 'ZSKD': 'ZSKD{rate:g}/zskd{rate:g}_{run}',
           'ZSKD_augment': 'ZSKD_augment{rate:g}/zskda{rate:g}_{run}'}


def main(argv=None):
    args = parse(argv)
    jobs = plan(args)
    make_folder(args.root)
    with held(args.root):
        remove_leftovers(args.root)
        load_mnist(args.data)
        results, failures = work(args, jobs)
        print('\n' + write_results(args, jobs, results))
    for job, reason in failures:
        print('failed: %s\n  command: %s\n  %s' % (job.name, shell_line(job.command), reason))
    return 1 if failures else 0


def work(args, jobs):
    """Runs what is not finished; returns ({job name: result}, [(failed job, reason)])."""
    results, failures = {}, []
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads), OPENBLAS_NUM_THREADS=str(args.threads))
    with Progress(sum(job.cost for job in jobs), 'table') as progress:
        try:
            with closing(Jobs(jobs, args.jobs, environment).run()) as ended:
                for job, result, reason, ran in ended:
                    if result is None:
                        failures.append((job, reason))
                    else:
                        results[job.name] = result
                        write_results(args, jobs, results)
                    (progress.update if ran else progress.skip)(job.cost)
                    progress.show(job.name + (' failed' if result is None else outcome(result)))
        except BaseException:
            print('\nstopped; %d of %d jobs are done and kept; the same command goes on from here'
                  % (len(results), len(jobs)), file=sys.stderr)
            raise
    return results, failures


def write_results(args, jobs, results):
    """Writes results.csv and results.md; returns the table as text."""
    trained = [results[job.name] for job in jobs if 'accuracy' in results.get(job.name, ())]
    rows = [table_row(result, run=result['arguments']['seed'] - args.seed) for result in trained]
    markdown = results_markdown(rows)
    save_text(os.path.join(args.root, 'results.csv'), results_csv(rows))
    save_text(os.path.join(args.root, 'results.md'), markdown)
    return markdown


def outcome(result):
    """The figure that sums up a job, for the progress line."""
    if 'accuracy' in result:
        return ': %.2f %%' % result['accuracy']
    return ': %.1f %% of targets met' % (100 * result['agreement'])


def parse(argv):
    parser = arguments.Parser(
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description='Fills the whole table: every method at every rate, several runs.')
    add = parser.add_argument
    add('--runs', default=5, type=arguments.whole(1, 1000), help='run i has seed --seed + i')
    add('--rates', default=[1, 5, 10, 25, 40], type=arguments.rate_value, nargs='+', metavar='R',
        help='sample rates in %% of 60,000')
    add('--methods', default=list(DISTILLED), choices=DISTILLED, nargs='+', help='columns beside teacher and student')
    add('--jobs', default=os.cpu_count() or 1, type=arguments.whole(1, 1024),
        help='processes at a time; by default as many as there are cores')
    add('--budget', default=1.0, type=arguments.real(above=0), help='factor on all steps and iterations')
    add('--training', default='', metavar='"FLAGS"', help='more flags for every train_w_distill.py')
    add('--synthesis', default='', metavar='"FLAGS"', help='more flags for every Data_Impressions.py')
    add('--root', default='MNIST', type=arguments.path, help='everything is written here')
    arguments.add_common(parser)
    args = parser.parse_args(argv)
    args.rates = sorted(set(args.rates))
    for name in ('training', 'synthesis'):
        try:
            setattr(args, name, shlex.split(getattr(args, name)))
        except ValueError as error:
            parser.error('--%s: %s' % (name, error))
    return args


def plan(args):
    """All jobs, each after those it needs; within a run the longest first, so that none is left to
    the end alone."""
    jobs = []
    for index in range(args.runs):
        jobs += [training(args, 'Teacher', 100, index), training(args, 'Student', 100, index)]
    for index in range(args.runs):
        for rate in sorted(args.rates, reverse=True):
            if any(method.startswith('ZSKD') for method in args.methods):
                jobs.append(synthesis(args, rate, index))
            jobs += [training(args, method, rate, index) for method in DISTILLED if method in args.methods]
    return jobs


def training(args, method, rate, index):
    folder = os.path.join(args.root, FOLDERS[method].format(rate=rate, run=index))
    flags = {'train_dir': folder, 'main_scope': 'Teacher' if method == 'Teacher' else 'Student', 'data': args.data}
    name, needs = method, []
    if method == 'Teacher':
        flags['publish'] = teacher_of(args, index)
    if method in DISTILLED:
        flags['Distillation'] = '%s-%g' % (method.replace('_augment', ''), rate)
        flags['teacher'] = teacher_of(args, index)
        name, needs = '%s-%g' % (method, rate), ['Teacher run %d' % index]
    if method.startswith('ZSKD'):
        flags['impressions'] = impressions_of(args, index)
        needs = ['DI-%g run %d' % (rate, index)]
    command = command_line(args, index, flags) + ['--augment'] * (method == 'ZSKD_augment') + args.training
    resolved = arguments.training_arguments(command)
    if args.budget != 1:
        command += ['--steps=%d' % max(1, args.budget * resolved.steps)]
        resolved = arguments.training_arguments(command)
    cost = resolved.steps * resolved.batch_size * (2 if method == 'Teacher' else 1)
    return Job('%s run %d' % (name, index), script('train_w_distill.py', command), os.path.join(folder, 'log.txt'),
               needs, cost, lambda: load_result(arguments.training_result(resolved), resolved,
                                                *arguments.training_files(resolved)))


def synthesis(args, rate, index):
    folder = impressions_of(args, index)
    command = command_line(args, index, {'Rate': '%g' % rate, 'save_path': folder, 'teacher': teacher_of(args, index)})
    command += args.synthesis
    resolved = arguments.impression_arguments(command)
    if args.budget != 1:
        command += ['--iterations=%d' % max(1, args.budget * resolved.iterations)]
        resolved = arguments.impression_arguments(command)
    cost = 1.5 * resolved.iterations * arguments.share_of(rate, arguments.TRAIN)
    return Job('DI-%g run %d' % (rate, index), script('Data_Impressions.py', command),
               os.path.join(folder, 'DI-%g.log' % rate), ['Teacher run %d' % index],
               cost, lambda: load_result(arguments.impression_result(resolved), resolved,
                                         *arguments.impression_files(resolved)))


def script(name, flags):
    return [sys.executable, '-u', os.path.join(HERE, name)] + flags


def command_line(args, index, flags):
    flags = dict(flags, seed=args.seed + index, threads=args.threads)
    return ['--%s=%s' % pair for pair in flags.items()]


def teacher_of(args, index):
    return os.path.join(args.root, 'Teacher', 'tch%d' % index, 'Lenet5.mat')


def impressions_of(args, index):
    return os.path.join(args.root, 'DI', 'di%d' % index)


@contextmanager
def held(root):
    """Holds ``root`` for this process; raises RunError that names the process that has it already.

    The lock is the operating system's: it ends with its process, however that dies.
    """
    owner = os.path.join(root, '.autotrain.pid')
    lock = filelock.FileLock(os.path.join(root, '.autotrain.lock'))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunError('%r is in use by another autotrain.py, process %s; wait for it, or choose another --root'
                       % (root, load_json(owner)))
    except OSError as error:
        raise RunError('cannot write into %r: %s' % (root, error.strerror or error)) from error
    with lock:
        save_json(owner, os.getpid())
        yield


if __name__ == '__main__':
    run(main)
