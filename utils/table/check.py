"""Checks the inputs that all jobs of a table share, before the first job starts."""
import os
import shutil

import numpy as np

from nets.networks import ROLES, find_pair, fitted, variable_shapes
from teachers.formats import digest_of, files_of, is_path, teacher_file
from utils.data import datasets
from utils.data.datasets import DATASETS
from utils.data.impressions import check_bytes
from utils.data.transfer_set import check_holdout
from utils.files import RunError, load_json, save_json
from utils.records import layout
from utils.records.code_digest import digest_of_own
from utils.records.inputs import check_teacher_file
from utils.settings.methods import METHODS, teaching

INPUTS = '.table.json'  # in --root


def check_inputs(args):
    """Checks data set, teacher, networks and disk once for all jobs.

    Returns the paths of the files that all jobs read. Raises RunError for a data set or a teacher that cannot
    be used or does not fit the networks, for a data set that is too small for --holdout, and for a disk that
    is too full.
    """
    pair, dataset = find_pair(args.nets), None
    if args.dataset != 'none':
        dataset = datasets.open_dataset(args.dataset, args.data)
    if args.teacher:
        # A cluster's GPUs are not here.
        pair = check_teacher_file(args, pair, dataset, 'cpu' if args.scheduler else args.device)
    elif teaching(args.methods) and not hasattr(pair.module, 'teacher'):
        raise RunError('%r has no teacher to train; give one with --teacher' % pair.name)
    elif pair.image_shape is None:
        pair = fitted(pair, dataset.image_shape, dataset.classes)
    else:
        # One that cannot be built is named here.
        for role in ROLES if hasattr(pair.module, 'teacher') else ['Student']:
            variable_shapes(pair, role, dataset.classes)
    if dataset:
        images, _ = dataset.part('train', pair.image_shape)
        check_holdout(dataset, images, args.training.get('holdout', 0))
        dataset.part('test', pair.image_shape)
    check_room(args, pair.image_shape)
    return files_of_all_jobs(args)


def check_room(args, image_shape):
    """Raises RunError where the impressions to make do not fit into their files, or onto the disk."""
    total = datasets.nominal(args.dataset)
    sources = {method.source.folder: method.source for method in map(METHODS.get, args.methods)
               if method.from_impressions}
    if sources:
        check_bytes(datasets.count(max(args.rates), total), image_shape)
    missing = sum(datasets.count(rate, total) for source in sources.values()
                  for run in range(args.runs) for rate in args.rates
                  if not os.path.exists(layout.impressions_file(
                      layout.run_impressions(args.root, source, run), rate)))
    needed = np.dtype(np.float32).itemsize * missing * int(np.prod(image_shape))
    free = shutil.disk_usage(args.root).free
    if free < needed:
        raise RunError('%r has room for %.1f GB and the impressions need %.1f GB; make room, or choose '
                       'another --root' % (args.root, free / 1e9, needed / 1e9))


def files_of_all_jobs(args):
    """The paths of data set, teacher and networks, where they are not of each machine's own checkout."""
    files = []
    if args.dataset != 'none':
        files.append(datasets.fetch(args.dataset, args.data))
    if args.teacher and is_path(args.teacher):
        files += files_of(teacher_file(args.teacher)).values()
    if layout.own_pair(args.nets):
        files.append(args.nets)
    return files


def check_same_table(args):
    """Keeps in --root what its table is of.

    Raises RunError where it holds the table of another data set, teacher, pair of networks, seed, recipe or
    budget, which would be lost. What has moved is not another, and what was altered where it lies is made
    again.
    """
    place, own = os.path.join(args.root, INPUTS), layout.own_pair(args.nets)
    teacher = args.teacher and teacher_file(args.teacher)
    now = {'data set': [_place(args.dataset, args.dataset not in [*DATASETS, 'none']),
                        datasets.digest(args.dataset)],
           'teacher': [_place(teacher, teacher), teacher and digest_of(teacher)],
           'pair of networks': [_place(args.nets, own), own and digest_of_own(own)],
           'seed': [args.seed, None], 'recipe': [args.recipe, None], '--budget': ['%g' % args.budget, None]}
    if any(METHODS[name].has_teacher for name in args.methods) and not teacher:
        now['teaching column'] = [teaching(args.methods), None]
    then = load_json(place) or {}
    for role, (path, digest) in now.items():
        old_path, old_digest = then.get(role, [path, digest])
        if path != old_path and (digest != old_digest or not digest):
            raise RunError('%r holds the table of another %s, %s; give this one its own --root'
                           % (args.root, role, 'one for each run' if old_path is None else old_path))
    save_json(place, {**then, **now})


def _place(name, is_file):
    return os.path.realpath(name) if is_file else name
