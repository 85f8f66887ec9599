"""The plan of a table: its jobs with their commands. No TensorFlow here."""
import functools
import os

from teachers.formats import FLAGS
from utils.data.datasets import training_images
from utils.files import FlagError
from utils.records import layout
from utils.records.records import finished_row
from utils.settings.job_settings import synthesis_settings, training_settings
from utils.settings.methods import METHODS, teaching, why_without_effect
from utils.settings.parser import command_line
from utils.table.jobs import Job


def plan(args):
    """All jobs, each after those it needs. Raises FlagError where flags do not go together.

    Within a run the longest come first, so that none runs alone at the end.
    """
    available = training_images(args.dataset)
    methods = [METHODS[name] for name in args.methods]
    for flag in args.training:
        reasons = [why_without_effect(flag, method) for method in methods]
        if all(reasons):
            raise FlagError('--training: --%s does nothing %s in any column' % (flag, reasons[0]))
    if args.synthesis and not any(method.from_impressions for method in methods):
        raise FlagError('--synthesis does nothing without a column of ZSKD')
    jobs, teachers = [], [None] * args.runs if args.teacher else []
    for run_number in range(args.runs):
        for method in methods:
            if not method.has_teacher:
                jobs.append(training_job(args, method, 100, run_number, available))
                if method.name == teaching(args.methods):
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

    needed: the Job whose output it learns from; None where there is none.
    """
    flags = dict(main_scope=method.role, Distillation=method.source.distillation, augment=method.augment,
                 holdout=0, train_dir=layout.run_folder(args.root, method.name, rate, run_number),
                 any_teacher=args.any_teacher and method.has_teacher)
    if method.has_teacher:
        flags.update(teacher_flags(args, run_number),
                     Distillation='%s-%g' % (method.source.distillation, rate))
    if method.from_impressions:
        flags['impressions'] = layout.run_impressions(args.root, method.source, run_number)
    flags.update((flag, value) for flag, value in args.training.items()
                 if not why_without_effect(flag, method))
    flags, settings = scaled(functools.partial(training_settings, available=available, kind=args.kind),
                             dict(common_flags(args, run_number), **flags), 'steps', args.budget)
    name = '%s-%g' % (method.name, rate) if method.has_teacher else method.name
    cost = settings.steps * settings.batch_size * (2 if method.role == 'Teacher' else 1)
    return Job('%s run %d' % (name, run_number), ['train_w_distill.py'] + command_line(flags),
               os.path.join(settings.train_dir, 'log.txt'), [needed.name] if needed else [], cost,
               functools.partial(finished_row, settings, layout.training_files(settings), run_number))


def synthesis_job(args, source, rate, run_number, teacher):
    """The Job that makes one run's impressions.

    teacher: the Job that trains theirs, None for the user's own.
    """
    flags = dict(Rate=rate, any_teacher=args.any_teacher,
                 save_path=layout.run_impressions(args.root, source, run_number),
                 **dict(args.synthesis, **source.synthesis, **teacher_flags(args, run_number)))
    flags, settings = scaled(functools.partial(synthesis_settings, kind=args.kind),
                             dict(common_flags(args, run_number), **flags), 'iterations', args.budget)
    cost = 1.5 * settings.iterations * settings.size
    return Job('%s-%g run %d' % (source.folder, rate, run_number),
               ['Data_Impressions.py'] + command_line(flags),
               os.path.join(settings.save_path, 'DI-%g.log' % rate), [teacher.name] if teacher else [], cost,
               functools.partial(finished_row, settings, layout.synthesis_files(settings), run_number))


def teacher_flags(args, run_number):
    """{flag: value}: the teacher of a run, and how it is read."""
    if not args.teacher:
        folder = layout.run_folder(args.root, teaching(args.methods), 100, run_number)
        return {'teacher': layout.weights_file(folder)}
    given = {flag: getattr(args, flag) for flag in FLAGS}
    return dict({flag: value for flag, value in given.items() if value is not None}, teacher=args.teacher)


def common_flags(args, run_number):
    return dict(recipe=args.recipe, nets=args.nets, dataset=args.dataset, data=args.data,
                threads=args.threads, device=args.device, seed=args.seed + run_number)


def scaled(settings_for, flags, name, budget):
    """(flags, their settings), with ``budget`` times the default of the setting ``name``."""
    settings = settings_for(flags)
    if budget != 1:
        flags = dict(flags, **{name: max(1, int(budget * getattr(settings, name)))})
        settings = settings_for(flags)
    return flags, settings
