"""Trains a teacher, a student alone, or a student by distillation.

    python train_w_distill.py --train_dir MNIST/tch --main_scope Teacher
    python train_w_distill.py --train_dir MNIST/std
    python train_w_distill.py --train_dir MNIST/sl1 --Distillation Soft_logits-1
    python train_w_distill.py --train_dir MNIST/zskd1 --Distillation ZSKD-1 --augment

Writes to --train_dir: train_params.mat (final weights), best_params.mat (the best on the
evaluation images), events.out.tfevents.* (TensorBoard) and, last, result.json.
"""
if __name__ == '__main__':
    from utils.console import end_on_ctrl_c
    end_on_ctrl_c()  # while what follows is imported

import time
from argparse import Namespace
from itertools import islice
from typing import List, NamedTuple

import numpy as np

from Data_Impressions import data_impressions
from nets.losses import distillation_loss, l2_penalty
from nets.networks import build, network_variables
from teachers.checks import check_logits, print_accuracy
from teachers.formats import FLAGS
from teachers.units import enlarged
from utils.console import Progress, run
from utils.curves import Curves
from utils.data.transfer_set import batches, split, transfer_set
from utils.files import RunError
from utils.graph_mode import IN_USE, image_bytes, in_batches, new_graph, session, tf, values_of
from utils.matfile import save_mat
from utils.records.checkpoint import Checkpoint
from utils.records.inputs import training_inputs
from utils.records.layout import own_teacher, training_files, unseen_files
from utils.records.origins import made_with
from utils.records.records import fingerprint, print_replaced, save_record, short_digest
from utils.records.training_state import resume, save_state
from utils.settings.flags import teacher_kind, training_flags
from utils.settings.methods import METHODS
from utils.settings.recipes import synthesis
from utils.settings.schedule import learning_rate

EVALUATIONS = 10  # of a training, over its steps
UNSEEN = 500  # impressions to evaluate on without a data set; they may cost as much as those to learn from
SHARED = 'recipe', 'nets', 'seed', 'threads', 'device', *FLAGS  # settings of a training and a synthesis
NOTES = {'accuracy': '',
         'agreement': '; on real images up to 35 points lower or 25 higher (ten classes: docs/teachers.md)'}


def main(argv=None):
    settings = training_flags(argv)
    started, files = time.time(), training_files(settings)
    inputs = training_inputs(settings)
    made_from = fingerprint(settings, inputs.digests)
    print_replaced(settings, files)
    rng = np.random.RandomState(settings.seed)
    evaluation = evaluation_set(settings, inputs)
    images, labels = transfer_set(settings, METHODS[settings.method], inputs, rng)
    if inputs.teacher and inputs.dataset:
        print_accuracy(inputs.teacher, *evaluation[:3], settings.threads, settings.device)
    answers = None
    if settings.kl_weight:
        answers = inputs.teacher.answers(images, settings.threads, settings.device)
        check_logits(inputs.teacher, answers, 'the images to learn from')
    checkpoint = Checkpoint(files.checkpoint, made_from, started)
    with Curves(settings.train_dir) as curves:  # those of an earlier run stay until all is saved
        result = train(settings, inputs, images, labels, answers, evaluation, rng, checkpoint, curves)
        for path, weights in zip(files.outputs, (result.weights, result.best_weights)):
            save_mat(path, enlarged(weights, inputs.classes, inputs.unit))
        save_record(files, made_from, image_shape=inputs.pair.image_shape, evaluated_on=evaluation.name,
                    best_chosen_on=evaluation.name, teacher_unit=inputs.unit, seconds=checkpoint.seconds(),
                    **{evaluation.measure: round(result.score, 4)})
    checkpoint.remove()
    print('%s: %s %.2f %% on %d %s%s' % (settings.method, evaluation.measure, result.score,
                                         len(evaluation.labels), evaluation.name, NOTES[evaluation.measure]))


class Evaluation(NamedTuple):
    """What a network is evaluated on."""
    images: np.ndarray      # uint8 [N, H, W, C]
    labels: np.ndarray      # [N]
    name: str               # what the images are
    measure: str            # the name of the percentage of right answers
    curve: str              # and its curve


def evaluation_set(settings, inputs):
    """The Evaluation of a training: on test images, with --holdout on the training images held out.

    Without a data set: on impressions that are made for the evaluation alone, and labelled by the teacher.
    """
    if inputs.dataset is None:
        images = unseen_impressions(settings, inputs)
        answers = inputs.teacher.answers(images, settings.threads, settings.device).argmax(axis=1)
        return Evaluation(images, answers, 'unseen impressions', 'agreement', 'agreement')
    if settings.holdout:
        return Evaluation(*split(settings, inputs)[1], 'held-out training images', 'accuracy',
                          'validation_accuracy')
    return Evaluation(*inputs.dataset.part('test', inputs.pair.image_shape), 'test images', 'accuracy',
                      'test_accuracy')


def unseen_impressions(settings, inputs):
    """UNSEEN impressions, uint8 [N, H, W, C], made as those to learn from were.

    With many classes they are one for each class and Dirichlet scale. They are kept for other students.
    """
    given = {name: value for name, value in vars(settings).items() if name in SHARED}
    recipe = synthesis(settings.recipe, UNSEEN, settings.nets, kind=teacher_kind(vars(settings)))
    how = Namespace(**{**given, **recipe, **made_with(inputs.impressions)})
    how.size = max(UNSEEN, inputs.classes * len(how.betas))
    read = ['teacher'] + ['nets'] * bool(own_teacher(settings.nets))
    made_from = fingerprint(how, {role: inputs.digests[role] for role in read})
    paths = unseen_files(inputs.impressions.path, settings.train_dir, short_digest(made_from))
    kept, checkpoint = [Checkpoint(path, made_from, time.time()) for path in paths]
    found = kept.load()
    if found:
        return found['images']
    rng = np.random.RandomState([how.seed, 1])  # no --seed starts this stream
    images, _ = data_impressions(inputs.teacher, how, rng, 'unseen', checkpoint)
    kept.save(images=images)
    checkpoint.remove()
    return images


class Result(NamedTuple):
    """The result of a training."""
    weights: dict           # {variable name: array}, the final ones
    best_weights: dict      # the best on the evaluation images
    score: float            # of the final ones, in per cent


def train(settings, inputs, images, labels, answers, evaluation, rng, checkpoint, curves):
    """The Result of training a network on ``images`` with their ``labels`` or the teacher's ``answers``.

    images uint8 [N, H, W, C], labels [N], answers float32 [N, classes] or None; rng draws the batches. Raises
    RunError where the loss or a weight becomes NaN.
    """
    new_graph(settings.seed)
    graph = build_training(settings, inputs.pair, inputs.classes, inputs.unit)
    evaluate_every = max(1, settings.steps // EVALUATIONS)
    with session(settings.threads, settings.device) as sess:
        sess.run(tf.global_variables_initializer())
        state = resume(sess, checkpoint)
        for point in state.points:
            curves.add(**point)
        with Progress(settings.steps, settings.method, state.step) as progress:
            order = batches(len(images), settings.batch_size, settings.steps, rng)
            for step, batch in enumerate(islice(order, state.step, None), state.step):
                current = learning_rate(settings.learning_rate, step, settings.steps, settings.schedule)
                feed = {graph.pixels: images[batch], graph.labels: labels[batch],
                        graph.learning_rate: current}
                if answers is not None:
                    feed[graph.teacher_logits] = answers[batch]
                loss, predicted, _ = sess.run([graph.loss, graph.predictions, graph.train_op], feed)
                progress.update()
                state.step = step + 1
                if state.step % evaluate_every == 0 or state.step == settings.steps:
                    weights = values_of(sess, graph.variables)
                    if not all(np.isfinite(array).all() for array in [loss, *weights.values()]):
                        raise RunError('the loss became NaN or infinite by step %d; use a smaller '
                                       '--learning_rate' % state.step)
                    predictions = in_batches(sess, graph.evaluated, graph.pixels, evaluation.images,
                                             IN_USE[settings.device])
                    score = 100 * np.mean(predictions == evaluation.labels)
                    progress.show(loss=loss, lr=current, **{evaluation.measure: score})
                    state.points.append({
                        'step': state.step, 'loss': float(loss), 'learning_rate': current,
                        'train_accuracy': 100 * float(np.mean(predicted == labels[batch])),
                        evaluation.curve: score})
                    curves.add(**state.points[-1])
                    if score > state.best_score:
                        state.best_score, state.best_weights = score, weights
                if state.step < settings.steps and checkpoint.is_due():
                    save_state(sess, state, checkpoint)
    return Result(weights, state.best_weights, score)


class Training(NamedTuple):
    """The graph of a training step: what is fed, and what is fetched."""
    pixels: tf.Tensor           # uint8 [B, H, W, C] in 0..255
    labels: tf.Tensor           # int32 [B] in 0..classes-1
    teacher_logits: tf.Tensor   # float32 [B, classes]
    learning_rate: tf.Tensor    # scalar
    loss: tf.Tensor             # scalar
    predictions: tf.Tensor      # int64 [B] in 0..classes-1, of the network as it is in training
    evaluated: tf.Tensor        # the same of the network as it is in use
    train_op: tf.Operation
    variables: List[tf.Variable]  # of the network


def build_training(settings, pair, classes, unit=1.0, plain=False):
    """The Training of one network in the default graph, with the losses that are asked for.

    unit: by what the logits are multiplied in the end; the cross entropy with labels is of these.
    """
    pixels, images = image_bytes(pair.image_shape)
    labels = tf.placeholder(tf.int32, [None])
    teacher_logits = tf.placeholder(tf.float32, [None, classes])
    step_size = tf.placeholder(tf.float32, [])
    role = settings.main_scope
    logits = build(pair, role, images, classes, training=True, plain=plain)
    variables, updates = network_variables(role), tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    predictions = tf.argmax(logits, axis=1)
    loss = settings.weight_decay * l2_penalty(role)
    if settings.ce_weight:
        loss += settings.ce_weight * tf.losses.sparse_softmax_cross_entropy(labels, unit * logits)
    if settings.kl_weight:
        loss += (settings.kl_weight * settings.temperature ** 2
                 * distillation_loss(logits, teacher_logits, settings.temperature))
    train_op = tf.train.AdamOptimizer(step_size).minimize(loss, tf.train.get_global_step())
    evaluated = tf.argmax(build(pair, role, images, classes, plain=plain), axis=1)
    return Training(pixels, labels, teacher_logits, step_size, loss, predictions, evaluated,
                    tf.group(train_op, *updates), variables)


if __name__ == '__main__':
    run(main)
