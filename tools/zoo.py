"""Students of the zoo's teachers: what a recipe gives on networks that others trained.

    python tools/zoo.py --folder zoo --results results/zoo.csv --jobs 2

Brings the teachers (tools/zoo_teachers.py), then runs Data_Impressions.py and train_w_distill.py for each of
them, as a user would, and appends a row for every student as soon as it is there. Rows that are there stay.
A row holds how well the student does on held-out training images and on test images, how often it agrees with
its teacher on both, and what the same agreement is on images that need no data.
"""
import argparse
import contextlib
import csv
import functools
import io
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

import cv2
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'tools')]

from zoo_teachers import HELD_OUT, TEACHERS, bring  # noqa: E402

import Data_Impressions  # noqa: E402
import train_w_distill  # noqa: E402
from teachers.trained import TrainedNetwork  # noqa: E402
from teachers.units import logit_size  # noqa: E402
from utils.data.datasets import open_dataset  # noqa: E402
from utils.data.transfer_set import affine_copies, cut_and_mix  # noqa: E402
from utils.files import load_json  # noqa: E402
from utils.records import inputs  # noqa: E402
from utils.settings.flags import synthesis_flags  # noqa: E402

STUDENTS = ('ZSKD', 10.0), ('ZSKD', 1.0), ('Soft_logits', 10.0)
UNSEEN = 600
MARGINS = [0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8]  # between the teacher's two best logits, in its unit
# What a setting adds to the flags of the impressions and of the student.
SETTINGS = {
    'default': ([], []),
    'before': ([], []),  # with logits as they are
    'long': (['--iterations=200', '--learning_rate=0.1'], []),
    'long-smooth': (['--iterations=200', '--learning_rate=0.1', '--total_variation=3e-3'], []),
    'smooth': (['--total_variation=3e-3'], []),
    'sharp': (['--temperature=5'], []),
    'soft': (['--temperature=20'], []),
    'cutmix': ([], ['--cutmix=0.5']),
    'steps': ([], ['--steps=20000']),
    'no-norm': (['--batch_norm=0'], []),
}


class Job(NamedTuple):
    """A student."""
    teacher: str
    method: str     # ZSKD or Soft_logits
    rate: float
    seed: int
    setting: str = 'default'


def row_of(job, folder, data, device='cpu'):
    """{column: value} of a student, which is made for it."""
    cv2.setNumThreads(1)
    started, teacher, given = time.time(), TEACHERS[job.teacher], SETTINGS[job.setting]
    inputs.unit_of = functools.partial(unit_or_1, job.setting == 'before')
    path = bring(job.teacher, folder, data)
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
        common = ['--teacher', path, *teacher.flags, '--device', device, '--seed=%d' % job.seed]
        data_set = os.path.join(data, teacher.data + '.npz')
        synthesis = ['--Rate=%g' % job.rate, '--save_path', work, '--dataset=none', *given[0], *common]
        training = ['--train_dir', work + '/student', '--Distillation=%s-%g' % (job.method, job.rate),
                    '--augment', '--holdout=%d' % HELD_OUT, '--dataset', data_set, *given[1], *common]
        row = dict(job._asdict(), data=teacher.data, half=teacher.half, weight_decay=teacher.weight_decay)
        if job.method == 'ZSKD':
            Data_Impressions.main(synthesis)
            record = load_json('%s/DI-%g.json' % (work, job.rate))
            row.update(kl=record['kl'], targets_met=record['targets_met'])
            training += ['--impressions', work]
        train_w_distill.main(training)
        row.update(judged(job, synthesis, work + '/student/train_params.mat', data_set))
    return dict(row, seconds=round(time.time() - started, 1))


def unit_or_1(always_1, teacher, threads, device):
    from teachers.units import unit_of
    return 1.0 if always_1 else unit_of(teacher, threads, device)


def judged(job, synthesis, weights, data_set):
    """{column: value}: a student beside its teacher, on real images and on images that need no data."""
    settings = synthesis_flags(synthesis)
    pair, teacher, _ = inputs.synthesis_inputs(settings)
    rng = np.random.RandomState([job.seed, 1])
    student = TrainedNetwork(weights, pair, 'Student')
    student.unit = teacher.unit
    unit, teacher.unit = teacher.unit, 1.0
    row = dict(unit=unit, logit_size=round(logit_size(teacher, 1, settings.device), 3))
    teacher.unit = unit
    data = open_dataset(data_set, '')
    images, labels = data.part('train', pair.image_shape)
    sets = {'validation': images[-HELD_OUT:], 'test': data.part('test', pair.image_shape)[0]}
    labels = {'validation': labels[-HELD_OUT:], 'test': data.part('test', pair.image_shape)[1]}
    if job.method == 'ZSKD':
        sets.update(without_data(teacher, settings, rng))
    bins = {}
    for name, images in sets.items():
        logits = teacher.answers(images, 1, settings.device)
        right, own = logits.argmax(axis=1), student.answers(images, 1, settings.device).argmax(axis=1)
        row['agreement_' + name] = round(100 * float(np.mean(own == right)), 2)
        if name in labels:
            row['accuracy_' + name] = round(100 * float(np.mean(own == labels[name])), 2)
            row['teacher_' + name] = round(100 * float(np.mean(right == labels[name])), 2)
            row['size_' + name] = round(float(unit * logits.std(axis=1).mean()), 3)
        best = np.sort(logits, axis=1)
        place = np.digitize(best[:, -1] - best[:, -2], MARGINS)
        bins[name] = [[int(np.sum(place == k)), int(np.sum((place == k) & (own == right)))]
                      for k in range(len(MARGINS) + 1)]
    return dict(row, bins=json.dumps(bins, separators=(',', ':')))


def without_data(teacher, settings, rng):
    """{name: images} that a student could be compared with its teacher on, without any data."""
    unseen, _ = Data_Impressions.data_impressions(teacher, UNSEEN, settings, rng, '')
    others = unseen[rng.permutation(UNSEEN)]
    share = rng.uniform(0.3, 0.7, (UNSEEN, 1, 1, 1))
    cut = unseen.copy()
    cut_and_mix(cut, 1.0, rng)
    noise = [Data_Impressions.smooth(rng.standard_normal((100,) + unseen.shape[1:]), blur)
             for blur in (0, 1, 2, 4)]
    return {'unseen': unseen, 'copies': affine_copies(unseen, 1, 15.0, 0.15, 3.0, rng),
            'further': affine_copies(unseen, 1, 30.0, 0.3, 6.0, rng),
            'mixtures': np.uint8(share * unseen + (1 - share) * others),
            'dim': np.uint8(0.5 * unseen), 'cut': cut,
            'noise': np.uint8(np.clip(127.5 + 64 * np.concatenate(noise), 0, 255))}


def append(results, row):
    """Adds a row to the file, with a header where it is new."""
    new = not os.path.exists(results)
    with open(results, 'a', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction='ignore')
        if new:
            writer.writeheader()
        writer.writerow(row)


COLUMNS = [*Job._fields, 'data', 'half', 'weight_decay', 'unit', 'logit_size', 'size_test', 'size_validation',
           'teacher_test', 'teacher_validation', 'accuracy_test', 'accuracy_validation', 'agreement_test',
           'agreement_validation', 'kl', 'targets_met', 'agreement_unseen', 'agreement_copies',
           'agreement_further', 'agreement_mixtures', 'agreement_dim', 'agreement_cut',
           'agreement_noise', 'bins', 'seconds']


def rows_of(results):
    """{Job: row} of the file."""
    if not os.path.exists(results):
        return {}
    with open(results, newline='') as file:
        return {Job(row['teacher'], row['method'], float(row['rate']), int(row['seed']), row['setting']): row
                for row in csv.DictReader(file)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--folder', default='zoo', help='the teachers are kept here')
    parser.add_argument('--data', default='data', help='mnist.npz, fashion_mnist.npz, cifar10.npz')
    parser.add_argument('--results', default='results/zoo.csv')
    parser.add_argument('--setting', default='default', choices=list(SETTINGS))
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--device', default='cpu', choices=['cpu', 'gpu'])
    args = parser.parse_args()
    jobs = [Job(teacher, method, rate, seed, args.setting) for seed in (1, 2, 3) for method, rate in STUDENTS
            for teacher in TEACHERS]
    done = rows_of(args.results)
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context('spawn')) as pool:
        waiting = [pool.submit(row_of, job, args.folder, args.data, args.device) for job in jobs
                   if job not in done]
        for finished in as_completed(waiting):
            append(args.results, finished.result())


if __name__ == '__main__':
    main()
