"""Synthesises data impressions from a trained teacher, without any image.

An impression starts as noise. Gradient descent changes it until the teacher's answer is close to a target: a
Dirichlet draw over the teacher's own class similarities (Nayak et al., ICML 2019, section 3).

    python Data_Impressions.py --Rate 40 --teacher Lenet5 --save_path DI

Writes DI-<Rate>.mat (train_images float32 [N, H, W, C] in 0..255, train_labels float32 [N, classes], whose
rows sum to 1) and DI-<Rate>.json, the record: settings, inputs, and how many targets the impressions meet.
"""
if __name__ == '__main__':
    from utils.console import end_on_ctrl_c
    end_on_ctrl_c()  # while what follows is imported

import time
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import log_softmax, xlogy

from nets.layers import STATISTICS
from nets.losses import class_similarity, dirichlet_targets, impression_loss
from nets.priors import PRIORS
from teachers.checks import print_number, print_targets_met, warn_of_pixel_scale
from utils.console import Progress, run
from utils.data.impressions import check_bytes, save_impressions
from utils.files import RunError, make_folder
from utils.graph_mode import COLOUR, new_graph, session, tf
from utils.images import to_bytes
from utils.records.checkpoint import Checkpoint
from utils.records.inputs import synthesis_inputs
from utils.records.layout import synthesis_files
from utils.records.records import fingerprint, print_replaced, save_record
from utils.settings.flags import synthesis_flags
from utils.settings.schedule import learning_rate

TOGETHER = {'cpu': 1, 'gpu': 8}  # batches in one search: a GPU's step takes as long for few as for many


def main(argv=None):
    settings = synthesis_flags(argv)
    started, files = time.time(), synthesis_files(settings)
    inputs = synthesis_inputs(settings)
    check_bytes(settings.size, inputs.teacher.image_shape)
    warn_of_pixel_scale(inputs.teacher, settings.threads, settings.device)
    print_number(settings.size, inputs.teacher.classes)
    made_from = fingerprint(settings, inputs.digests)
    print_replaced(settings, files)
    make_folder(settings.save_path)
    checkpoint = Checkpoint(files.checkpoint, made_from, started)
    images, targets = data_impressions(inputs.teacher, settings, np.random.RandomState(settings.seed),
                                       'DI-%g' % settings.Rate, checkpoint)
    answers = inputs.teacher.answers(images, settings.threads, settings.device)
    kl, targets_met = agreement_with(targets, answers, settings.temperature)

    print('%d impressions, mean KL to the targets at T = %g: %.4f, same class as the target: %.2f %%'
          % (len(targets), settings.temperature, kl, targets_met))
    print_targets_met(targets_met / 100, inputs.teacher.classes)
    save_impressions(files.outputs[0], images, targets)
    save_record(files, made_from, kl=kl, targets_met=targets_met, teacher_unit=inputs.teacher.unit,
                seconds=checkpoint.seconds())
    checkpoint.remove()


def data_impressions(teacher, settings, rng, label, checkpoint):
    """``settings.size`` data impressions of a teacher, and their targets.

    The images are uint8 [N, H, W, C] in 0..255, the targets [N, classes].

    teacher: of open_teacher; settings: a Namespace with the hyper-parameters of a synthesis, size, seed,
    threads and device; rng a numpy RandomState; label: names them in the progress; checkpoint: where finished
    batches are kept. Raises RunError where an impression becomes NaN.
    """
    targets = dirichlet_targets(class_similarity(teacher.templates), settings.size, settings.betas, rng)
    return to_bytes(synthesise(teacher, targets, settings, rng, label, checkpoint)), targets


def synthesise(teacher, targets, settings, rng, label, checkpoint):
    """One impression for each soft target, from smooth noise by Adam: float32 [N, H, W, C] in [0, 1].

    targets [N, classes], rows sum to 1; the rest as above. Every impression is independent of the others, and
    Adam restarts with every batch. In each iteration the teacher sees all of them shifted by the same
    random number of pixels ("jitter": Mordvintsev et al., Inceptionism, 2015).
    """
    offsets = rng.randint(-settings.jitter, settings.jitter + 1, [settings.iterations, 2])
    batches = np.array_split(targets, -(-len(targets) // settings.batch_size))
    values = max(COLOUR, int(np.prod(teacher.image_shape)))  # large images fill the memory
    together = max(1, min(TOGETHER[settings.device] * COLOUR // values, len(batches)))
    size = len(batches[0])
    new_graph(settings.seed)
    graph = build_search(teacher, size, together, settings)
    kept = checkpoint.load()
    impressions, finished = ([kept['impressions']], int(kept['batches'])) if kept else ([], 0)
    with session(settings.threads, settings.device) as sess, \
            Progress(len(batches) * settings.iterations, label, finished * settings.iterations) as progress:
        teacher.restore(sess)
        for number in range(0, len(batches), together):
            some = batches[number:number + together]
            noise = [start_noise([len(batch), *teacher.image_shape], settings, rng) for batch in some]
            if number < finished:
                continue
            # Rows that fill up the batches, some of which are one short, and the last search are not kept.
            wanted, noise = [np.resize([np.resize(rows, (size,) + rows.shape[1:]) for rows in arrays],
                                       (together * size,) + arrays[0].shape[1:]) for arrays in (some, noise)]
            sess.run(graph.start, {graph.noise: noise})
            for i, offset in enumerate(offsets):
                current = learning_rate(settings.learning_rate, i, settings.iterations, settings.schedule)
                loss, _ = sess.run([graph.loss, graph.train_op], {
                    graph.targets: wanted, graph.offset: offset, graph.learning_rate: current})
                progress.update(len(some))
            found = sess.run(graph.images)
            if not (np.isfinite(loss) and np.isfinite(found).all()):
                raise RunError('the impressions became NaN; use a smaller --learning_rate')
            impressions += [images[:len(batch)] for images, batch in zip(np.split(found, together), some)]
            progress.show(loss=loss / len(wanted))
            if checkpoint.is_due():
                checkpoint.save(batches=number + len(some), impressions=np.concatenate(impressions))
    return np.concatenate(impressions)


def start_noise(shape, settings, rng):
    """The start of impressions, as differences from the ground: float64 of ``shape`` [N, H, W, C].

    Every value is N(0, start_deviation^2). start_blur makes neighbours alike. The channels of a pixel have
    the correlation start_grey, as those of natural images correlate. rng a numpy RandomState.
    """
    noise = rng.standard_normal(shape)
    if settings.start_grey:
        common = rng.standard_normal([*shape[:-1], 1])
        noise = np.sqrt(1 - settings.start_grey) * noise + np.sqrt(settings.start_grey) * common
    return settings.start_deviation * smooth(noise, settings.start_blur)


def smooth(noise, blur):
    """White noise [N, H, W, C] after a Gaussian filter, scaled so that its values keep their deviation.

    blur: the standard deviation of the Gaussian in pixels, over the plane with its opposite sides joined; 0
    leaves the noise white, as in the paper.
    """
    if not blur:
        return noise
    impulse = np.zeros(noise.shape[1:])
    impulse[0, 0] = 1
    plane = [blur, blur, 0]
    return (gaussian_filter(noise, [0, *plane], mode='wrap')
            / np.linalg.norm(gaussian_filter(impulse, plane, mode='wrap')[..., 0]))


class Search(NamedTuple):
    """The graph of a search for B impressions: what is fed, and what is fetched."""
    noise: tf.Tensor            # float32 [B, H, W, C], where it starts
    targets: tf.Tensor          # float32 [B, classes]
    offset: tf.Tensor           # int32 [2], rows and columns by which the teacher sees the images shifted
    learning_rate: tf.Tensor    # scalar
    start: list                 # operations that begin a new search
    loss: tf.Tensor             # scalar
    train_op: tf.Operation
    images: tf.Tensor           # float32 [B, H, W, C] in [0, 1], what it has come to


def build_search(teacher, size, together, settings):
    """The Search for ``together`` batches of ``size`` in the default graph, with a teacher's network."""
    shape, batch_size = list(teacher.image_shape), together * size
    x = tf.get_variable('impressions', shape + [batch_size], trainable=False)  # less the ground
    noise = tf.placeholder(tf.float32, [batch_size] + shape)
    targets = tf.placeholder(tf.float32, [batch_size, teacher.classes])
    offset = tf.placeholder(tf.int32, [2])
    step_size = tf.placeholder(tf.float32, [])
    seen = tf.transpose(shifted(x, offset, settings.jitter), [3, 0, 1, 2])
    logits = teacher.logits(settings.ground + seen)
    loss = impression_loss(targets, logits, settings.temperature)
    for name, factor in prior_factors(settings).items():
        if factor:
            loss += factor * PRIORS[name](x, together)
    adam = tf.train.AdamOptimizer(step_size, beta2=settings.beta2, epsilon=settings.epsilon)
    train_op = adam.minimize(loss, var_list=[x])
    start = [x.assign(tf.transpose(noise, [1, 2, 3, 0])), tf.variables_initializer(adam.variables())]
    return Search(noise, targets, offset, step_size, start, loss, train_op,
                  tf.clip_by_value(settings.ground + tf.transpose(x, [3, 0, 1, 2]), 0.0, 1.0))


def prior_factors(settings):
    """{prior: its factor} for the teacher in the default graph.

    Its batch norm counts where it has one. A factor that a user typed stays, so that the prior can complain.
    """
    factors = {name: getattr(settings, name) for name in PRIORS}
    typed = 'batch_norm' in getattr(settings, 'typed', ())
    if factors['batch_norm'] and not typed and not tf.get_collection(STATISTICS):
        print('the teacher has no batch norm that can be read, so the recipe\'s --batch_norm %g is off'
              % factors['batch_norm'])
        factors['batch_norm'] = 0
    return factors


def shifted(x, offset, largest):
    """x [H, W, C, B] by ``offset`` [2] rows and columns, each from -largest to largest.

    What comes in at the border is 0.
    """
    if not largest:
        return x
    frame = tf.pad(x, [[largest, largest], [largest, largest], [0, 0], [0, 0]])
    return tf.reshape(tf.slice(frame, tf.concat([largest - offset, [0, 0]], 0), x.shape), x.shape)


def agreement_with(targets, logits, temperature):
    """(mean KL(target || softmax(logits / T)) in nats, equal argmax in per cent); both [N, classes]."""
    answers = log_softmax(logits.astype(float) / temperature, axis=1)
    kl = (xlogy(targets, targets) - targets * answers).sum(axis=1).mean()
    return float(kl), float(100 * (targets.argmax(axis=1) == logits.argmax(axis=1)).mean())


if __name__ == '__main__':
    run(main)
