"""Measures an exported student beside its teacher: size, and milliseconds per image on one thread.

    python tools/serving_speed.py --teacher MNIST/tch/train_params.mat --student MNIST/zskd/train_params.mat

Each is exported as a SavedModel, a frozen graph and, on TensorFlow 2, a TFLite file. Both networks of a
format are timed in turn, ROUNDS times, by the processor time that the process takes. The table
has the medians. The images are random bytes.
"""
import os
import statistics
import sys
import tempfile
import time

import numpy as np
from tabulate import tabulate

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from convert import size
from export.formats import SAVED_MODEL, export
from export.int8 import interpreter
from export.source import images_of, network_of, text_of
from teachers.formats import TeacherOptions
from teachers.trained import AS_READ
from utils.console import run
from utils.graph_mode import TF1, session, tf
from utils.settings.flags import add_teacher_options
from utils.settings.parser import Parser, nets, path

ROUNDS = 15
SECONDS = 0.2   # of a round
BATCHES = 1, 100


def main(argv=None):
    parser = Parser(prog='serving_speed.py', description=__doc__)
    for role in 'teacher', 'student':
        parser.add_argument('--' + role, required=True, type=path, metavar='FILE', help='its weights')
    parser.add_argument('--nets', type=nets, metavar='FILE.py', help="the networks (default: the record's)")
    add_teacher_options(parser)
    args = parser.parse_args(argv)
    options = {'teacher': TeacherOptions.of(args), 'student': AS_READ}
    rows, student_record = [], network_of(args.student, args.nets)[1]
    dataset = text_of(student_record, 'arguments', 'dataset')  # both are timed on its images
    with tempfile.TemporaryDirectory() as folder:
        for form in [SAVED_MODEL, '.pb'] + ['.tflite'] * (not TF1):
            sizes, answers = {}, {}
            for role, weights in ('teacher', args.teacher), ('student', args.student):
                network, record = network_of(weights, args.nets, options[role])
                image_shape, class_names = images_of(network, record, dataset)
                place = os.path.join(folder, role + form)
                export(network, image_shape, class_names, form, place)
                sizes[role], answers[role] = size(place), LOADERS[form](place)
            times = measured(answers, image_shape)
            rows += [[form, role, sizes[role]] + ['%.3f' % times[role, batch] for batch in BATCHES]
                     for role in answers]
    print('TensorFlow %s' % tf.__version__)
    headers = ['format', 'network', 'bytes'] + ['ms per image, batch %d' % batch for batch in BATCHES]
    print(tabulate(rows, headers, tablefmt='github', disable_numparse=True))


def measured(answers, image_shape, batches=BATCHES):
    """{(role, batch size): ms per image}; answers: {role: function of images uint8 [N, H, W, C]}."""
    rounds = {}
    for _ in range(ROUNDS):
        for batch in batches:
            images = np.random.RandomState(0).randint(0, 256, (batch, *image_shape)).astype(np.uint8)
            for role, answer in answers.items():
                answer(images)
                calls, start = 0, time.process_time()
                while time.process_time() < start + SECONDS:
                    answer(images)
                    calls += 1
                took = time.process_time() - start
                rounds.setdefault((role, batch), []).append(1000 * took / calls / batch)
    return {key: statistics.median(values) for key, values in rounds.items()}


def from_saved_model(place):
    with tf.Graph().as_default():
        sess = session(threads=1)
        signature = tf.saved_model.load(sess, ['serve'], place).signature_def['serving_default']
    return sess.make_callable(signature.outputs['logits'].name, [signature.inputs['images'].name])


def from_frozen_graph(place):
    with open(place, 'rb') as file, tf.Graph().as_default():
        tf.import_graph_def(tf.GraphDef.FromString(file.read()), name='')
        sess = session(threads=1)
    return sess.make_callable('logits:0', ['images:0'])


def from_tflite(place):
    runner = interpreter(place, delegates=True).get_signature_runner('serving_default')
    return lambda images: runner(images=images)


LOADERS = {SAVED_MODEL: from_saved_model, '.pb': from_frozen_graph, '.tflite': from_tflite}


if __name__ == '__main__':
    run(main)
