"""Measures int8 files that impressions calibrate: accuracy on the test images, size, time on one thread.

    python tools/int8.py --folder int8 [--networks NAME...]

Networks that are not in the folder yet are made: teachers and students by the scripts, with few steps, and
two foreign teachers by tools/zoo_teachers.py. Each is written as a TFLite file in float, with weights of 8
bits alone, and as int8, calibrated with impressions, with real training images or with noise.
results/int8.csv has a row for each. Rows of networks that are not named stay as they are. Times are the
processor's. It needs TensorFlow 2.
"""
import csv
import io
import os
import subprocess
import sys
import tempfile
from typing import NamedTuple

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from serving_speed import from_tflite, measured
from zoo_teachers import TEACHERS

from export.formats import check_available, export
from export.int8 import BATCH, CALIBRATION, Quantisation, calibration_images
from export.source import images_of, network_of
from teachers.formats import TeacherOptions
from utils.console import run
from utils.data.datasets import open_dataset
from utils.files import REPOSITORY, save_text
from utils.graph_mode import tf
from utils.records.layout import impressions_file, weights_file
from utils.settings.parser import Parser, path

RECORD = os.path.join(REPOSITORY, 'results', 'int8.csv')
FOREIGN = 'keras-example', 'digit-recognizer-py'
SHORT = ['--steps=600', '--batch_size=64']  # of AlexNet, which learns slowly on a CPU
TEACHER_FLAGS = {'fashion_mnist': ['--steps=5000'], 'cifar10': SHORT}
STUDENT_FLAGS = {'mnist': [], 'fashion_mnist': [], 'cifar10': SHORT}
SEED = '--seed=600'


class Case(NamedTuple):
    """A network, and what calibrates it."""
    weights: str
    impressions: str
    dataset: str
    options: TeacherOptions = TeacherOptions()   # how the network is read


def main(argv=None):
    names = ['%s, %s' % (data, role) for data in STUDENT_FLAGS for role in ('teacher', 'student')]
    names += FOREIGN
    parser = Parser(prog='int8.py', description=__doc__)
    parser.add_argument('--folder', required=True, type=path, metavar='DIR', help='networks are kept here')
    parser.add_argument('--networks', nargs='+', default=names, choices=names, metavar='NAME',
                        help='those to measure: ' + '; '.join(names))
    args = parser.parse_args(argv)
    check_available('.tflite')
    folder = os.path.abspath(args.folder)
    for name in args.networks:
        case = foreign(name, folder) if name in FOREIGN else own(*name.split(', '), folder)
        save_rows(name, [dict(network=name, **row, tensorflow=tf.__version__) for row in rows_of(case)])


def own(data, role, folder):
    """The Case of a teacher or a student that the scripts train."""
    folder = os.path.join(folder, data)
    teacher, impressions, student = [os.path.join(folder, name) for name in ('tch', 'di', 'std')]
    weights = weights_file(teacher)
    if data == 'mnist':
        weights = os.path.join(REPOSITORY, 'pre_trained', 'Lenet5.mat')
    else:
        make(weights, 'train_w_distill.py', SEED, '--dataset', data, '--main_scope=Teacher', '--train_dir',
             teacher, *TEACHER_FLAGS[data])
    make(impressions_file(impressions, 1), 'Data_Impressions.py', SEED, '--dataset', data, '--Rate=1',
         '--teacher', weights, '--save_path', impressions)
    if role == 'student':
        make(weights_file(student), 'train_w_distill.py', SEED, '--dataset', data, '--Distillation=ZSKD-1',
             '--teacher', weights, '--impressions', impressions, '--train_dir', student, *STUDENT_FLAGS[data])
        weights = weights_file(student)
    return Case(weights, impressions_file(impressions, 1), data)


def foreign(name, folder):
    """The Case of a teacher of the zoo."""
    weights, impressions = os.path.join(folder, name + '.keras'), os.path.join(folder, name)
    teacher = TEACHERS[name]
    make(weights, 'tools/zoo_teachers.py', '--folder', folder, name)  # here Keras cannot train
    make(impressions_file(impressions, 1), 'Data_Impressions.py', SEED, '--dataset=none', '--Rate=1',
         '--teacher', weights, '--save_path', impressions, *teacher.flags)
    return Case(weights, impressions_file(impressions, 1), teacher.data, teacher.options)


def make(file, script, *words):
    """Runs a script that makes ``file``, if it is not there."""
    if not os.path.exists(file):
        subprocess.run([sys.executable, script, *words], cwd=REPOSITORY, check=True)


def rows_of(case):
    """[{column: value}] of a network, a row for each way to quantise it."""
    network, record = network_of(case.weights, options=case.options)
    dataset = open_dataset(case.dataset, os.path.join(REPOSITORY, 'data'))
    image_shape, names = images_of(network, record, case.dataset)
    images, labels = dataset.part('test', image_shape)
    found, answers = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for way, quantisation in quantisations(case, network, record, dataset, image_shape).items():
            file = os.path.join(folder, way + '.tflite')
            export(network, image_shape, names, '.tflite', file, quantisation)
            answers[way] = from_tflite(file)
            classes = np.concatenate([answers[way](images[start:start + BATCH])['classes']
                                      for start in range(0, len(images), BATCH)])
            found[way] = 100 * np.mean(classes == labels), os.path.getsize(file)
        times = measured(answers, image_shape, batches=[1])
    return [dict(quantised=way, accuracy='%.2f' % accuracy, bytes=size, milliseconds='%.4f' % times[way, 1])
            for way, (accuracy, size) in found.items()]


def quantisations(case, network, record, dataset, image_shape):
    """{way: Quantisation, or None for float}."""
    rng = np.random.RandomState(0)
    impressions, _ = calibration_images(case.impressions, network, record, image_shape)
    real, _ = dataset.part('train', image_shape)
    real = real[rng.permutation(len(real))[:CALIBRATION]]
    noise = rng.randint(0, 256, real.shape).astype(np.uint8)
    return {'float': None, 'impressions': Quantisation('int8', impressions),
            'real images': Quantisation('int8', real), 'noise': Quantisation('int8', noise),
            'weights alone': Quantisation('weights')}


def save_rows(network, rows):
    """Writes the rows of a network into the record, in place of those that it had."""
    kept = []
    if os.path.exists(RECORD):
        with open(RECORD, newline='') as file:
            kept = [row for row in csv.DictReader(file) if row['network'] != network]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(kept + rows)
    save_text(RECORD, buffer.getvalue())
    print(network, *['%s %s' % (row['quantised'], row['accuracy']) for row in rows], sep='  ', flush=True)


if __name__ == '__main__':
    run(main)
