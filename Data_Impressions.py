"""Synthesises data impressions from a trained teacher: images of noise, changed until the teacher sees
in them what a Dirichlet draw over its own class similarities asks for (Nayak et al., ICML 2019).

    python Data_Impressions.py --Rate 40 --teacher Lenet5 --save_path DI

Writes DI-<Rate>.mat (train_images float32 [N, 32, 32, 1] in 0..255, train_labels float32 [N, 10], rows
sum to 1) and DI-<Rate>.json, which says how it was made and how well the teacher agrees.
"""
import time

import numpy as np
import tensorflow.compat.v1 as tf

from nets.lenet import build_lenet
from nets.losses import impression_loss
from nets.similarity import class_similarity
from utils import runtime
from utils.arguments import impression_arguments, impression_files, impression_result, share_of
from utils.console import Progress, run
from utils.files import RunError, save_mat, save_result
from utils.mnist import CLASSES, TRAIN
from utils.schedule import learning_rate


def main(argv=None):
    args = impression_arguments(argv)
    started = time.time()
    inputs, outputs = impression_files(args)
    rng = np.random.RandomState(args.seed)

    runtime.new_graph(args.seed)
    images = tf.placeholder(tf.float32, [None, 32, 32, 1])
    logits = build_lenet(images, 'Teacher')
    with runtime.session(args.threads) as sess:
        runtime.restore(sess, inputs['teacher'], 'Teacher')
        similarity = class_similarity(runtime.weights(sess, 'Teacher')['Teacher/fc2/weights'])
        targets = dirichlet_targets(similarity, share_of(args.Rate, TRAIN), args.betas, rng)
        impressions = synthesise(sess, targets, args, rng)
        kl, agreement = agreement_with(targets, runtime.in_batches(sess, logits, images, impressions),
                                       args.temperature)

    print('%d impressions, mean KL to the targets at T = %g: %.4f, same class as the target: %.2f %%'
          % (len(targets), args.temperature, kl, 100 * agreement))
    save_mat(outputs[0], {'train_images': 255 * impressions, 'train_labels': targets})
    save_result(impression_result(args), args, inputs, outputs, kl=kl, agreement=agreement,
                seconds=time.time() - started, versions=runtime.versions())


def dirichlet_targets(similarity, count, betas, rng):
    """Softmax targets y ~ Dirichlet(beta * C[k]) (paper, eq. 2), as many for every class and beta.

    similarity C [10, 10] in [0, 1]; rng a numpy RandomState. Returns float32 [count, 10], rows sum to
    1; row i is of class i mod 10, so what does not divide evenly goes to the first classes and betas.
    """
    index = np.arange(count)
    concentration = np.asarray(betas)[index // CLASSES % len(betas), None] * similarity[index % CLASSES]
    # The least similar class has concentration 0; a Dirichlet needs more than that.
    gamma = rng.standard_gamma(np.maximum(concentration, 1e-8))
    return (gamma / gamma.sum(axis=1, keepdims=True)).astype(np.float32)


def synthesise(sess, targets, args, rng):
    """One impression per target, from N(0, 1) noise by Adam: float32 [N, 32, 32, 1] in [0, 1].

    The teacher's variables are in ``sess``. Every impression is independent of the others, and Adam
    starts anew for every batch.
    """
    blocks = -(-len(targets) // args.batch_size)
    size = -(-len(targets) // blocks)
    x = tf.get_variable('impressions', [size, 32, 32, 1], trainable=False)
    noise = tf.placeholder(tf.float32, x.shape)
    y = tf.placeholder(tf.float32, [size, CLASSES])
    rate = tf.placeholder(tf.float32, [])
    loss = impression_loss(x, y, build_lenet(x, 'Teacher'), args.temperature, args.l2)
    adam = tf.train.AdamOptimizer(rate, beta2=args.beta2)
    step = adam.minimize(loss, var_list=[x])
    start = [x.assign(noise), tf.variables_initializer(adam.variables())]
    finished = tf.clip_by_value(x, 0.0, 1.0)

    impressions = []
    with Progress(blocks * args.iterations, 'DI-%g' % args.Rate) as progress:
        for block in np.array_split(targets, blocks):
            # The last blocks may be one short: the row that fills them up is not kept.
            wanted = np.resize(block, [size, CLASSES])
            initial = np.resize(rng.standard_normal(block.shape[:1] + (32, 32, 1)), x.shape.as_list())
            sess.run(start, {noise: initial})
            for i in range(args.iterations):
                current_rate = learning_rate(args.learning_rate, i, args.iterations)
                value, _ = sess.run([loss, step], {y: wanted, rate: current_rate})
                progress.update()
            progress.show(loss=value / size)
            impressions.append(sess.run(finished)[:len(block)])
            if not (np.isfinite(value) and np.isfinite(impressions[-1]).all()):
                raise RunError('the impressions became NaN; use a smaller --learning_rate')
    return np.concatenate(impressions)


def agreement_with(targets, logits, temperature):
    """(mean KL(target || softmax(logits / T)) in nats, share of equal argmax); both [N, 10]."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    log_teacher = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    log_targets = np.log(np.maximum(targets, np.finfo(np.float32).tiny))
    kl = (targets * (log_targets - log_teacher)).sum(axis=1).mean()
    return float(kl), float((targets.argmax(axis=1) == logits.argmax(axis=1)).mean())


if __name__ == '__main__':
    run(main)
