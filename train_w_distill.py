"""Trains a teacher, a student alone, or a student by distillation.

    python train_w_distill.py --train_dir MNIST/tch --main_scope Teacher
    python train_w_distill.py --train_dir MNIST/std
    python train_w_distill.py --train_dir MNIST/sl1 --Distillation Soft_logits-1
    python train_w_distill.py --train_dir MNIST/zskd1 --Distillation ZSKD-1 --augment

Writes to --train_dir: train_params.mat (final weights), best_params.mat (those that did best on the
evaluation images), events.out.tfevents.* (TensorBoard) and, last, result.json.
"""
import time
from argparse import Namespace
from typing import NamedTuple

import numpy as np

from nets.lenet import build_lenet
from nets.losses import distillation_loss, l2_penalty
from utils import datasets
from utils.console import Progress, run
from utils.curves import Curves
from utils.files import RunError
from utils.flags import training_flags
from utils.graph_mode import tf
from utils.layout import training_files
from utils.matfile import save_mat
from utils.recipes import synthesis
from utils.results import check_origin, fingerprint, save_result
from utils.schedule import learning_rate
from utils.session import image_bytes, in_batches, logits_of, new_graph, session, weights
from utils.synthesis import data_impressions
from utils.transfer_set import batches, transfer_set

EVALUATIONS = 10  # of a training, over its steps
# What a student is evaluated on, and what the curve of that is called.
CURVES = {'test images': 'test_accuracy', 'held-out training images': 'validation_accuracy',
          'unseen impressions': 'agreement'}
UNSEEN = 1000  # impressions to evaluate on where there is no data set


def main(argv=None):
    settings = training_flags(argv)
    files = training_files(settings)
    started, made_from = time.time(), fingerprint(settings, files.inputs)
    if 'impressions' in files.inputs:
        check_origin(files.inputs, made_from['inputs'])
    rng = np.random.RandomState(settings.seed)
    images, labels = transfer_set(settings, files.inputs.get('impressions'), rng)
    eval_images, eval_labels, measure, evaluated_on = evaluation_set(settings, files.inputs.get('teacher'))
    if settings.kl_weight:
        teacher_answers = logits_of(files.inputs['teacher'], 'Teacher', images, settings.threads)

    new_graph(settings.seed)
    graph = build_training(settings)
    best_score = -1.0
    evaluate_every = max(1, settings.steps // EVALUATIONS)
    with session(settings.threads) as sess, Curves(settings.train_dir) as curves, \
            Progress(settings.steps, settings.method) as progress:
        sess.run(tf.global_variables_initializer())
        for step, batch in enumerate(batches(len(images), settings.batch_size, settings.steps, rng)):
            current = learning_rate(settings.learning_rate, step, settings.steps, settings.schedule)
            feed = {graph.pixels: images[batch], graph.labels: labels[batch], graph.learning_rate: current}
            if settings.kl_weight:
                feed[graph.teacher_logits] = teacher_answers[batch]
            loss, predicted, _ = sess.run([graph.loss, graph.predictions, graph.train_op], feed)
            progress.update()
            if (step + 1) % evaluate_every and step + 1 != settings.steps:
                continue
            trained = weights(sess, settings.main_scope)
            if not all(np.isfinite(array).all() for array in [loss, *trained.values()]):
                raise RunError('the loss became NaN or infinite by step %d; use a smaller --learning_rate' % (step + 1))
            score = 100 * np.mean(in_batches(sess, graph.predictions, graph.pixels, eval_images) == eval_labels)
            progress.show(loss=loss, lr=current, **{measure: score})
            curves.add(step + 1, loss=loss, learning_rate=current,
                       train_accuracy=100 * np.mean(predicted == labels[batch]), **{CURVES[evaluated_on]: score})
            if score > best_score:
                best_score, best = score, trained

        for path, arrays in zip(files.outputs, (trained, best)):
            save_mat(path, arrays)
        save_result(files, made_from, evaluated_on=evaluated_on, seconds=time.time() - started,
                    **{measure: round(score, 4)})
    print('%s: %s %.2f %% on %d %s' % (settings.method, measure, score, len(eval_labels), evaluated_on))


class Training(NamedTuple):
    """The graph of a training step: what is fed, and what is fetched."""
    pixels: tf.Tensor           # uint8 [B, 32, 32, 1] in 0..255
    labels: tf.Tensor           # int32 [B] in 0..9
    teacher_logits: tf.Tensor   # float32 [B, 10]
    learning_rate: tf.Tensor    # scalar
    loss: tf.Tensor             # scalar
    predictions: tf.Tensor      # int64 [B] in 0..9
    train_op: tf.Operation


def build_training(settings):
    """The Training of one network in the default graph: cross entropy, distillation and weight decay as asked for."""
    pixels, images = image_bytes()
    labels = tf.placeholder(tf.int32, [None])
    teacher_logits = tf.placeholder(tf.float32, [None, datasets.CLASSES])
    step_size = tf.placeholder(tf.float32, [])
    logits = build_lenet(images, settings.main_scope)
    predictions = tf.argmax(logits, axis=1)
    loss = settings.weight_decay * l2_penalty(settings.main_scope)
    if settings.ce_weight:
        loss += settings.ce_weight * tf.losses.sparse_softmax_cross_entropy(labels, logits)
    if settings.kl_weight:
        loss += (settings.kl_weight * settings.temperature ** 2
                 * distillation_loss(logits, teacher_logits, settings.temperature))
    train_op = tf.train.AdamOptimizer(step_size).minimize(loss)
    return Training(pixels, labels, teacher_logits, step_size, loss, predictions, train_op)


def evaluation_set(settings, teacher):
    """What the student is evaluated on: (images uint8 [N, 32, 32, 1], labels [N], measure, what the images are).

    The test images; with --holdout the training images that are held out; without a data set impressions that nobody
    is trained on, made from the file ``teacher`` for this alone, whose label is the teacher's own answer.
    """
    if settings.dataset == 'none':
        rng = np.random.RandomState([settings.seed, 1])  # no --seed starts this stream
        hyper_parameters = Namespace(seed=settings.seed, threads=settings.threads,
                                     **synthesis(settings.recipe, UNSEEN))
        images, _ = data_impressions(teacher, UNSEEN, hyper_parameters, rng, 'unseen impressions')
        answers = logits_of(teacher, 'Teacher', images, settings.threads).argmax(axis=1)
        return images, answers, 'agreement', 'unseen impressions'
    if settings.holdout:
        images, labels = datasets.load(settings.dataset, settings.data, 'train')
        return images[-settings.holdout:], labels[-settings.holdout:], 'accuracy', 'held-out training images'
    return datasets.load(settings.dataset, settings.data, 'test') + ('accuracy', 'test images')


if __name__ == '__main__':
    run(main)
