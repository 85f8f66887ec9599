"""Students of the zoo's teachers: what the recipe gives on networks that others built.

    python tools/zoo.py --folder zoo --results zoo.csv --jobs 2

Brings the teachers (tools/zoo_teachers.py), then runs Data_Impressions.py and train_w_distill.py for each of
them, as a user would, and writes a row for every student as soon as it is there. Rows that are there stay. A
student that was begun goes on from its last checkpoint.
"""
import argparse
import contextlib
import csv
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from zoo_teachers import HELD_OUT, TEACHERS, teacher_path

import Data_Impressions
import train_w_distill
from teachers.trained import TrainedNetwork
from utils.console import run
from utils.data.datasets import DATASETS
from utils.files import REPOSITORY
from utils.records.inputs import training_inputs
from utils.records.layout import synthesis_files, training_files, weights_file
from utils.records.records import finished_row
from utils.settings.flags import synthesis_flags, training_flags

STUDENTS = {1: [('ZSKD', 1.0), ('Soft_logits', 10.0), ('ZSKD', 10.0)],  # by channels: (method, rate)
            3: [('ZSKD', 1.0), ('Soft_logits', 20.0), ('ZSKD', 20.0)]}
JOB = 'teacher', 'method', 'rate', 'seed'
COLUMNS = [*JOB, 'data', 'half', 'unit', 'teacher_test', 'accuracy_test', 'accuracy_validation',
           'agreement_test', 'agreement_validation', 'agreement_unseen']


def row_of(job, folder, data, device):
    """{column: value} of a student, which is made for it; job: the values of JOB."""
    name, method, rate, seed = job
    teacher = TEACHERS[name]
    work = os.path.join(folder, 'students', '%s-%s-%g-%d' % job)  # of a colour teacher it takes hours
    with contextlib.redirect_stdout(io.StringIO()):
        common = [*teacher.flags, '--teacher', teacher_path(name, folder), '--seed=%d' % seed,
                  '--device', device]
        training = ['--train_dir', work, '--Distillation=%s-%g' % (method, rate), '--augment', *common]
        if method == 'ZSKD':
            training += ['--impressions', work]
            synthesis = ['--Rate=%g' % rate, '--save_path', work, '--dataset', teacher.data, *common]
            if not is_done(synthesis_flags(synthesis), synthesis_files):
                Data_Impressions.main(synthesis)
        with_data = ['--dataset', teacher.data, '--data', data, '--holdout=%d' % HELD_OUT]
        if not is_done(training_flags(training + with_data), training_files):
            train_w_distill.main(training + with_data)
        row = judged(training_flags(training + with_data))
        if method == 'ZSKD' and seed == 1:  # new impressions take a while
            row.update(judged(training_flags([*training, '--dataset=none'])))
    shutil.rmtree(work)
    return dict(zip(JOB, job), data=teacher.data, half=teacher.half, **row)


def is_done(settings, files_of):
    """Whether a job's files are there and are still what it makes."""
    return finished_row(settings, files_of(settings), 0)[0] is not None


def judged(settings):
    """{column: value} of a student beside its teacher: on real images, without a data set on unseen ones."""
    inputs = training_inputs(settings)
    student = TrainedNetwork(weights_file(settings.train_dir), inputs.pair, 'Student')
    row, sets = {'unit': inputs.teacher.unit}, {}
    if inputs.dataset:
        sets = {part: inputs.dataset.part(part, inputs.pair.image_shape) for part in ('train', 'test')}
        sets['validation'] = [array[-HELD_OUT:] for array in sets.pop('train')]
    else:
        sets['unseen'] = train_w_distill.evaluation_set(settings, inputs)[:2]
    for name, (images, labels) in sets.items():
        own, right = [network.answers(images, 1, settings.device).argmax(axis=1)
                      for network in (student, inputs.teacher)]
        found = {'agreement': own == right, 'accuracy': own == labels, 'teacher': right == labels}
        row.update({'%s_%s' % (key, name): round(100 * np.mean(same), 2) for key, same in found.items()})
    return row


def jobs_of(results):
    """The jobs whose rows are in the file, which is made if need be."""
    with open(results, 'a+', newline='') as file:
        file.seek(0)
        return {(row['teacher'], row['method'], float(row['rate']), int(row['seed']))
                for row in csv.DictReader(file)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--folder', default='zoo', help='the teachers are kept here')
    parser.add_argument('--data', default='data', help='folder of the data sets')
    parser.add_argument('--results', default='zoo.csv')
    parser.add_argument('--runs', type=int, default=3, help='students with seeds 1, 2, ...')
    parser.add_argument('--only', nargs='+', default=list(TEACHERS), choices=list(TEACHERS),
                        metavar='TEACHER')
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--device', default='cpu', choices=['cpu', 'gpu'])
    args = parser.parse_args()
    subprocess.run([sys.executable, os.path.join(REPOSITORY, 'tools', 'zoo_teachers.py'), *args.only,
                    '--folder', args.folder, '--data', args.data], check=True)
    done = jobs_of(args.results)
    students = {name: STUDENTS[DATASETS[TEACHERS[name].data].image_shape[2]] for name in args.only}
    jobs = [(name, *students[name][kind], 1 + seed) for kind in range(3) for seed in range(args.runs)
            for name in args.only]  # the quick ones first
    pool = ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context('spawn'))
    with pool, open(args.results, 'a', newline='') as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction='ignore', lineterminator='\n')
        if not file.tell():
            writer.writeheader()
            file.flush()
        futures = {pool.submit(row_of, job, args.folder, args.data, args.device): job
                   for job in jobs if job not in done}
        failed = 0
        for future in as_completed(futures):
            try:
                writer.writerow(future.result())
                file.flush()
            except Exception as error:  # of one student; the others go on
                print('error: %s: %s' % (futures[future], error), file=sys.stderr)
                failed = 1
    return failed


if __name__ == '__main__':
    run(main)
