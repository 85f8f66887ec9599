"""Fills the whole table: every method at every rate, several runs.

A run has its own teacher, a student alone, and at every rate impressions, students distilled from them
(plain and augmented), and students distilled from real images. A table with --teacher holds the students of
that one.

    python autotrain.py                                       five runs, five rates
    python autotrain.py --runs 1 --rates 1 10 --budget 0.1    a quick look
    python autotrain.py --teacher mine.h5 --dataset none      students of your own teacher, without any data
    python autotrain.py --scheduler tcp://head:8786           on a Dask cluster (see utils/cluster.py)

Each job is a process of its own (train_w_distill.py or Data_Impressions.py) with a folder and a log of
its own. Stop it whenever you like; the same command goes on where it was. Writes results.csv and
results.md to --root while it goes.
"""
if __name__ == '__main__':
    from utils.interrupt import end_on_ctrl_c
    end_on_ctrl_c()  # while what follows is imported

import functools
import os
import shutil
import socket
import sys
import time
from contextlib import closing, contextmanager

import filelock
import numpy as np

from nets import find_pair
from utils import datasets, layout, recipes
from utils.console import TableProgress, run
from utils.files import RunError, load_json, make_folder, remove_leftovers, save_json, save_text
from utils.flags import available_images, command_line, table_flags
from utils.jobs import Job, LocalPool, run_jobs, visible_gpus
from utils.methods import METHODS
from utils.processes import local_command, share_done, shell_line
from utils.records import finished_row
from utils.results import results_csv, results_markdown
from utils.teacher_files import FLAGS
from utils.transfer_set import check_holdout

# In seconds: a killed process may leave a child that holds the lock between its fork and its exec.
LOCK_TIMEOUT = 2
SAVE_EVERY = 10  # seconds between two writes of results.csv while jobs end


def main(argv=None):
    parser, args = table_flags(argv)
    try:
        jobs = plan(args)
    except ValueError as error:
        parser.error(error)
    make_folder(args.root)
    data = check_inputs(args)
    with locked(args.root):
        remove_leftovers({args.root, *(os.path.dirname(job.log) for job in jobs)})
        with pool_for(args, data) as pool:
            rows, failures = work(args, jobs, pool)
        print('\n' + save_table(args, jobs, rows))
    for job, reason in failures:
        print('failed: %s\n  command: %s\n  %s' % (job.name, shell_line(local_command(job.command)), reason))
    return 1 if failures else 0


def plan(args):
    """All jobs, each after those it needs. Raises ValueError where flags do not go together.

    Within a run the longest come first, so that none is left to the end alone.
    """
    available = available_images(vars(args))
    methods = [METHODS[name] for name in args.methods]
    for flag in args.training:
        reasons = [recipes.why_without_effect(flag, method) for method in methods]
        if all(reasons):
            raise ValueError('--training: --%s does nothing %s in any column' % (flag, reasons[0]))
    jobs, teachers = [], [None] * args.runs if args.teacher else []
    for run_number in range(args.runs):
        for method in methods:
            if not method.has_teacher:
                jobs.append(training_job(args, method, 100, run_number, available))
                if method is METHODS['Teacher']:
                    teachers.append(jobs[-1])
    sources = {method.source.folder: method.source for method in methods if method.from_impressions}
    for run_number, teacher in enumerate(teachers):
        for rate in sorted(args.rates, reverse=True):
            impressions = {folder: synthesis_job(args, source, rate, run_number, teacher)
                           for folder, source in sources.items()}
            jobs += impressions.values()
            for method in methods:
                if method.has_teacher:
                    needed = impressions.get(method.source.folder, teacher)
                    jobs.append(training_job(args, method, rate, run_number, available, needed))
    return jobs


def training_job(args, method, rate, run_number, available, needed=None):
    """The Job of one training.

    needed: the Job whose output it learns from, None where it was there before.
    """
    flags = dict(main_scope=method.role, Distillation=method.source.distillation, augment=method.augment,
                 holdout=0, train_dir=layout.run_folder(args.root, method.name, rate, run_number),
                 any_teacher=args.any_teacher)
    if method.has_teacher:
        flags.update(teacher_flags(args, run_number),
                     Distillation='%s-%g' % (method.source.distillation, rate))
    if method.from_impressions:
        flags['impressions'] = layout.run_impressions(args.root, method.source, run_number)
    flags.update((flag, value) for flag, value in args.training.items()
                 if not recipes.why_without_effect(flag, method))
    flags, settings = scaled(functools.partial(recipes.training_settings, available=available),
                             dict(common_flags(args, run_number), **flags), 'steps', args.budget)
    name = '%s-%g' % (method.name, rate) if method.has_teacher else method.name
    cost = settings.steps * settings.batch_size * (2 if method.role == 'Teacher' else 1)
    return Job('%s run %d' % (name, run_number), ['train_w_distill.py'] + command_line(flags),
               os.path.join(settings.train_dir, 'log.txt'), names_of(needed), cost,
               functools.partial(finished_row, settings, layout.training_files(settings), run_number))


def synthesis_job(args, source, rate, run_number, teacher):
    """The Job that makes one run's impressions.

    teacher: the Job that trains theirs, None for the user's own.
    """
    flags = dict(Rate=rate, save_path=layout.run_impressions(args.root, source, run_number),
                 **dict(source.synthesis, **teacher_flags(args, run_number), **args.synthesis))
    flags, settings = scaled(recipes.synthesis_settings, dict(common_flags(args, run_number), **flags),
                             'iterations', args.budget)
    cost = 1.5 * settings.iterations * settings.size
    return Job('%s-%g run %d' % (source.folder, rate, run_number),
               ['Data_Impressions.py'] + command_line(flags),
               os.path.join(settings.save_path, 'DI-%g.log' % rate), names_of(teacher), cost,
               functools.partial(finished_row, settings, layout.synthesis_files(settings), run_number))


def names_of(job):
    return [job.name] if job else []


def teacher_flags(args, run_number):
    """{flag: value}: the teacher of a run, and how it is read."""
    if not args.teacher:
        return {'teacher': layout.run_teacher(args.root, run_number)}
    given = {flag: getattr(args, flag) for flag in FLAGS}
    return dict({flag: value for flag, value in given.items() if value is not None}, teacher=args.teacher)


def common_flags(args, run_number):
    return dict(recipe=args.recipe, nets=args.nets, dataset=args.dataset, data=args.data,
                threads=args.threads, device=args.device, seed=args.seed + run_number)


def scaled(settings_for, flags, name, budget):
    """(flags, settings for them), where the setting ``name`` is ``budget`` times what it would be."""
    settings = settings_for(flags)
    if budget != 1:
        flags = dict(flags, **{name: max(1, int(budget * getattr(settings, name)))})
        settings = settings_for(flags)
    return flags, settings


def check_inputs(args):
    """Looks once at what every job needs.

    Returns the path of the data set's file, or that of --root where it has none. Raises RunError for a data
    set or a teacher that cannot be used or does not fit the networks, for a data set that is too small for
    --holdout, and for a disk that is too full.
    """
    pair, dataset = find_pair(args.nets), None
    if args.dataset != 'none':
        dataset = datasets.open_dataset(args.dataset, args.data)
        images, _ = dataset.part('train', pair.image_shape)
        check_holdout(dataset, images, args.training.get('holdout', 0))
        dataset.part('test', pair.image_shape)
    if args.teacher:
        from utils.inputs import look_at_teacher  # it imports TensorFlow, which is not needed otherwise
        look_at_teacher(args, pair, dataset)
    bytes_each = np.dtype(np.float32).itemsize * int(np.prod(pair.image_shape))
    sources = {METHODS[name].source.folder: METHODS[name].source for name in args.methods}
    missing = [rate for folder, source in sources.items() if folder
               for run in range(args.runs) for rate in args.rates
               if not os.path.exists(layout.impressions_file(
                   layout.run_impressions(args.root, source, run), rate))]
    needed = bytes_each * sum(recipes.count(rate, recipes.nominal(args.dataset)) for rate in missing)
    free = shutil.disk_usage(args.root).free
    if free < needed:
        raise RunError('%r has room for %.1f GB and the impressions need %.1f GB; make room, or choose '
                       'another --root' % (args.root, free / 1e9, needed / 1e9))
    return datasets.fetch(args.dataset, args.data) if dataset else args.root


def pool_for(args, data):
    """Where jobs run: on this machine, or on the workers of a cluster; data: path of the data set's file."""
    variables = dict(OMP_NUM_THREADS=str(args.threads), OPENBLAS_NUM_THREADS=str(args.threads))
    if not args.scheduler:
        gpus = visible_gpus() if args.device == 'gpu' else []
        return LocalPool(args.jobs, variables, gpus)
    try:
        from utils.cluster import ClusterPool
    except ImportError as error:
        raise RunError('--scheduler needs Dask (%s); pip install -r requirements-cluster.txt'
                       % error) from error
    return ClusterPool(args.scheduler, args.root, data, variables)


def work(args, jobs, pool):
    """Runs in ``pool`` what is not finished; returns ({job name: row}, [(failed job, reason)])."""
    rows, failures, saved, started = {}, [], 0.0, time.time()
    with TableProgress(sum(job.cost for job in jobs), len(jobs)) as progress:

        def show_running(submitted):
            running = [(job, share_done(job.log, started)) for job in submitted]
            progress.running({job.name: share for job, share in running if share is not None},
                             sum(job.cost * (share or 0) for job, share in running))

        def announce_rerun(job, why):
            progress.note('%s: %s; made again' % (job.name, why))

        try:
            with closing(run_jobs(jobs, pool, show_running, announce_rerun)) as ended:
                for job, row, reason, ran in ended:
                    if row is None:
                        failures.append((job, reason))
                    else:
                        rows[job.name] = row
                    progress.ended(job.name + (' failed' if row is None else outcome(row)), job.cost, ran)
                    if time.time() > saved + SAVE_EVERY:
                        save_table(args, jobs, rows)
                        saved = time.time()
        except BaseException:
            save_table(args, jobs, rows)
            print('\nstopped; %d of %d jobs are done and kept; the same command goes on from here'
                  % (len(rows), len(jobs)), file=sys.stderr)
            raise
    return rows, failures


def save_table(args, jobs, rows):
    """Writes results.csv and results.md; returns the table as text.

    rows: {job name: row} of the jobs that are done.
    """
    in_order = [rows[job.name] for job in jobs if job.name in rows]
    markdown = results_markdown(in_order)
    save_text(os.path.join(args.root, 'results.csv'), results_csv(in_order))
    save_text(os.path.join(args.root, 'results.md'), markdown)
    return markdown


def outcome(row):
    """The figure that sums up a job, for the progress line."""
    if 'accuracy' in row:
        return ': %.2f %%' % row['accuracy']
    if 'agreement' in row:
        return ': %.2f %% agreement' % row['agreement']
    return ': %.1f %% of targets met' % row['targets_met']


@contextmanager
def locked(root):
    """Keeps ``root`` for this process; raises RunError that names the process that has it already.

    The lock is the operating system's (flock): it ends with its process, however that dies. Between machines
    it holds where the shared folder's file system passes it on: NFS 4, NFS 3 with its lock daemon (not
    mounted ``nolock`` or ``local_lock``), Lustre mounted with ``flock``, CephFS, GPFS.
    """
    owner = os.path.join(root, '.autotrain.pid')
    lock = filelock.FileLock(os.path.join(root, '.autotrain.lock'))
    try:
        lock.acquire(timeout=LOCK_TIMEOUT)
    except filelock.Timeout as error:
        raise RunError('%r is in use by another autotrain.py, process %s; wait for it, or choose another '
                       '--root' % (root, load_json(owner))) from error
    except (OSError, NotImplementedError) as error:
        raise RunError('cannot write into %r: %s'
                       % (root, getattr(error, 'strerror', None) or error)) from error
    with lock:
        save_json(owner, '%d on %s' % (os.getpid(), socket.gethostname()))
        yield


if __name__ == '__main__':
    run(main)
