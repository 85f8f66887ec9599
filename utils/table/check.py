"""Checks the inputs that all jobs of a table share, before the first job starts."""
import os
import shutil

import numpy as np

from nets.networks import find_pair
from utils.data import datasets
from utils.data.transfer_set import check_holdout
from utils.files import RunError
from utils.records import layout
from utils.records.inputs import check_teacher_file
from utils.settings.methods import METHODS


def check_inputs(args):
    """Checks data set, teacher, networks and disk once for all jobs.

    Returns the path of the data set's file, or that of --root where it has none. Raises RunError for a data
    set or a teacher that cannot be used or does not fit the networks, for a data set that is too small for
    --holdout, and for a disk that is too full.
    """
    pair, dataset = find_pair(args.nets), None
    if args.dataset != 'none':
        dataset = datasets.open_dataset(args.dataset, args.data)
    if args.teacher:
        pair = check_teacher_file(args, pair, dataset)
    if dataset:
        images, _ = dataset.part('train', pair.image_shape)
        check_holdout(dataset, images, args.training.get('holdout', 0))
        dataset.part('test', pair.image_shape)
    bytes_each = np.dtype(np.float32).itemsize * int(np.prod(pair.image_shape))
    sources = {METHODS[name].source.folder: METHODS[name].source for name in args.methods}
    missing = [rate for folder, source in sources.items() if folder
               for run in range(args.runs) for rate in args.rates
               if not os.path.exists(layout.impressions_file(
                   layout.run_impressions(args.root, source, run), rate))]
    needed = bytes_each * sum(datasets.count(rate, datasets.nominal(args.dataset)) for rate in missing)
    free = shutil.disk_usage(args.root).free
    if free < needed:
        raise RunError('%r has room for %.1f GB and the impressions need %.1f GB; make room, or choose '
                       'another --root' % (args.root, free / 1e9, needed / 1e9))
    return datasets.fetch(args.dataset, args.data) if dataset else args.root
