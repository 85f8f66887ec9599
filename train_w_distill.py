"""Trains a teacher, a student alone, or a student by distillation.

    python train_w_distill.py --train_dir MNIST/tch --main_scope Teacher --Distillation None
    python train_w_distill.py --train_dir MNIST/std --main_scope Student --Distillation None
    python train_w_distill.py --train_dir MNIST/sl1 --main_scope Student --Distillation Soft_logits-1
    python train_w_distill.py --train_dir MNIST/zskd1 --main_scope Student --Distillation ZSKD-1 --augment

Writes to --train_dir: train_params.mat (final weights), best_params.mat (those that did best on the
evaluation images), events.out.tfevents.* (TensorBoard) and, last, result.json.
"""
import time

import numpy as np
import tensorflow.compat.v1 as tf

from nets.lenet import build_lenet, weight_decay
from nets.losses import distillation_loss
from utils import runtime
from utils.arguments import share_of, training_arguments, training_files, training_result
from utils.augment import affine_copies
from utils.console import Progress, run
from utils.curves import Curves
from utils.files import RunError, save_mat, save_result
from utils.impressions import load_impressions
from utils.mnist import CLASSES, load_mnist, stratified_sample
from utils.schedule import learning_rate

EVALUATIONS = 20


def main(argv=None):
    args = training_arguments(argv)
    started = time.time()
    rng = np.random.RandomState(args.seed)
    inputs, outputs = training_files(args)
    images, labels, eval_images, eval_labels = transfer_set(args, inputs, rng)
    answers = teacher_logits(inputs['teacher'], images, args.threads) if args.kl_weight else None

    runtime.new_graph(args.seed)
    pixels = tf.placeholder(tf.uint8, [None, 32, 32, 1])
    targets = tf.placeholder(tf.int32, [None])
    teacher_answers = tf.placeholder(tf.float32, [None, CLASSES])
    rate = tf.placeholder(tf.float32, [])
    logits = build_lenet(to_unit_range(pixels), args.main_scope)
    predictions = tf.argmax(logits, axis=1)
    loss = args.weight_decay * weight_decay(args.main_scope)
    if args.ce_weight:
        loss += args.ce_weight * tf.losses.sparse_softmax_cross_entropy(targets, logits)
    if args.kl_weight:
        loss += args.kl_weight * args.temperature ** 2 * distillation_loss(logits, teacher_answers, args.temperature)
    step = tf.train.AdamOptimizer(rate).minimize(loss)

    best_accuracy = -1.0
    evaluate_every = max(1, args.steps // EVALUATIONS)
    with runtime.session(args.threads) as sess, Curves(args.train_dir) as curves, \
            Progress(args.steps, args.method) as progress:
        sess.run(tf.global_variables_initializer())
        for i, batch in enumerate(batches(len(images), args.batch_size, args.steps, rng), start=1):
            current_rate = learning_rate(args.learning_rate, i - 1, args.steps, args.schedule)
            feed = {pixels: images[batch], targets: labels[batch], rate: current_rate}
            if args.kl_weight:
                feed[teacher_answers] = answers[batch]
            value, predicted, _ = sess.run([loss, predictions, step], feed)
            progress.update()
            if i % evaluate_every and i != args.steps:
                continue
            weights = runtime.weights(sess, args.main_scope)
            if not all(np.isfinite(array).all() for array in [value, *weights.values()]):
                raise RunError('the loss became NaN or infinite by step %d; use a smaller --learning_rate' % i)
            train_accuracy = 100 * np.mean(predicted == labels[batch])
            accuracy = 100 * np.mean(runtime.in_batches(sess, predictions, pixels, eval_images) == eval_labels)
            progress.show(loss=value, lr=current_rate, accuracy=accuracy)
            curves.add(i, loss=value, learning_rate=current_rate, train_accuracy=train_accuracy,
                       test_accuracy=accuracy)
            if accuracy > best_accuracy:
                best_accuracy, best_weights = accuracy, weights

        final, best, *published = outputs
        save_mat(best, best_weights)
        for path in [final] + published:
            save_mat(path, weights)
        save_result(training_result(args), args, inputs, outputs,
                    accuracy=round(accuracy, 4), seconds=time.time() - started, versions=runtime.versions())
    print('%s: accuracy %.2f %% on %d %s images' % (args.method, accuracy, len(eval_labels),
                                                    'held-out training' if args.holdout else 'test'))


def transfer_set(args, inputs, rng):
    """What to learn from and what to evaluate on: (images, labels, images, labels).

    Images are uint8 [N, 32, 32, 1] in 0..255, labels whole numbers [N] in 0..9. For impressions the
    label is their target's most probable class, used for the curve of train accuracy alone.
    """
    images, labels, eval_images, eval_labels = load_mnist(args.data)
    if args.holdout:
        eval_images, eval_labels = images[-args.holdout:], labels[-args.holdout:]
        images, labels = images[:-args.holdout], labels[:-args.holdout]
    if args.method.startswith('Soft_logits'):
        sample = stratified_sample(labels, share_of(args.rate, len(labels)), rng)
        images, labels = images[sample], labels[sample]
    elif args.method.startswith('ZSKD'):
        images, targets = load_impressions(inputs['impressions'])
        images, labels = np.rint(images).astype(np.uint8), targets.argmax(axis=1)
        if args.augment:
            copies = affine_copies(images, args.copies, args.rotation, args.scale, args.shift, rng)
            images, labels = np.concatenate([images, copies]), np.tile(labels, 1 + args.copies)
    return images, labels, eval_images, eval_labels


def teacher_logits(path, images, threads):
    """The teacher's logits for uint8 images [N, 32, 32, 1], once for the whole run: float32 [N, 10]."""
    runtime.new_graph(seed=0)
    pixels = tf.placeholder(tf.uint8, [None, 32, 32, 1])
    logits = build_lenet(to_unit_range(pixels), 'Teacher')
    with runtime.session(threads) as sess:
        runtime.restore(sess, path, 'Teacher')
        return runtime.in_batches(sess, logits, pixels, images)


def to_unit_range(pixels):
    return tf.cast(pixels, tf.float32) / 255.0


def batches(items, batch_size, steps, rng):
    """Yields ``steps`` index arrays of length batch_size; every item once before any twice."""
    order = np.empty(0, int)
    for _ in range(steps):
        while len(order) < batch_size:
            order = np.concatenate([order, rng.permutation(items)])
        yield order[:batch_size]
        order = order[batch_size:]


if __name__ == '__main__':
    run(main)
