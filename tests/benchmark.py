"""How fast the graphs and the table are: the textbook form against ours, side by side in one run.

    make bench                          (python tests/benchmark.py --profile: where a step's time goes)

Prints microseconds per sample for every kind of step, on one thread, with the ratio of each pair of
neighbouring repetitions; what that makes of the published budgets; and the wall time of a small table.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import numpy as np  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402
from tabulate import tabulate  # noqa: E402

from nets.lenet import build_lenet  # noqa: E402
from nets.losses import distillation_loss, impression_loss  # noqa: E402
from plain_form import plain_lenet  # noqa: E402
from utils import arguments, runtime  # noqa: E402

RATES = [1, 5, 10, 25, 40]
SMALL_TABLE = ['--runs', '2', '--rates', '1', '--budget', '0.02']


def main():
    parser = arguments.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repetitions', default=15, type=arguments.whole(2), help='(default: 15)')
    parser.add_argument('--batch_size', default=128, type=arguments.whole(1), help='(default: 128)')
    parser.add_argument('--profile', action='store_true', help='only list the costliest operations of our steps')
    args = parser.parse_args()
    print('TensorFlow %(tensorflow)s, Python %(python)s, one thread' % runtime.versions())
    steps = build_steps(args.batch_size)
    with runtime.session(threads=1) as sess:
        sess.run(tf.global_variables_initializer())
        if args.profile:
            for name, (_, fast) in steps.items():
                print_profile(sess, name, fast, args.batch_size)
            return
        costs = measure(sess, steps, args.batch_size, args.repetitions)
    print_published_budgets(costs)
    print_small_table()


def build_steps(size):
    """{name: (plain step, our step)} over one batch of random images that stays in the graph."""
    runtime.new_graph(0)
    rng = np.random.RandomState(0)
    images = tf.constant(rng.uniform(0, 1, (size, 32, 32, 1)), tf.float32)
    labels = tf.constant(rng.randint(0, 10, size))
    targets = tf.constant(rng.dirichlet(np.ones(10), size), tf.float32)
    soft_targets = tf.constant(10 * rng.standard_normal((size, 10)), tf.float32)
    forms = {'ours': build_lenet}
    for scope in ('Teacher', 'Student'):
        build_lenet(images, scope)  # makes the variables
    forms['plain'] = plain_lenet
    losses = {}
    for form, lenet in forms.items():
        for scope in ('Teacher', 'Student'):
            losses['%s step' % scope, form] = (
                tf.losses.sparse_softmax_cross_entropy(labels, lenet(images, scope)), tf.trainable_variables(scope))
        # The published graph runs the teacher in every step; here its logits are computed once.
        teacher = lenet(images, 'Teacher') if form == 'plain' else soft_targets
        losses['distillation step', form] = (
            distillation_loss(lenet(images, 'Student'), teacher, 20.0), tf.trainable_variables('Student'))
        x = tf.get_variable('impressions_' + form, [size, 32, 32, 1], trainable=False)
        losses['impression step', form] = impression_loss(x, targets, lenet(x, 'Teacher'), 20.0, 1e-3), [x]
    # Each optimiser needs a name of its own: several train the same variables.
    steps = {(name, form): tf.train.AdamOptimizer(name=(name + form).replace(' ', '')).minimize(loss, var_list=variables)
             for (name, form), (loss, variables) in losses.items()}
    return {name: (steps[name, 'plain'], steps[name, 'ours']) for name, form in steps if form == 'ours'}


def measure(sess, steps, size, repetitions, inner=5):
    """Prints the table of steps; returns {name: (plain, ours)} in median seconds per sample."""
    def seconds(step):
        started = time.perf_counter()
        for _ in range(inner):
            sess.run(step)
        return (time.perf_counter() - started) / inner / size

    rows, costs = [], {}
    for name, pair in steps.items():
        for step in pair:
            seconds(step)
        times = [[seconds(step) for step in pair] for _ in range(repetitions)]
        plain, ours = (statistics.median(column) for column in zip(*times))
        ratios = sorted(a / b for a, b in times)
        costs[name] = plain, ours
        rows.append([name, '%.0f' % (1e6 * plain), '%.0f' % (1e6 * ours), '%.1f' % statistics.median(ratios),
                     '%.1f - %.1f' % (ratios[0], ratios[-1])])
    print('\nMicroseconds per sample, batches of %d, median of %d repetitions\n' % (size, repetitions))
    print(tabulate(rows, ['', 'plain', 'ours', 'ratio', 'its range'], tablefmt='github'))
    return costs


def print_published_budgets(costs):
    """CPU time of one run of the table: published budgets on the plain graphs, our defaults on ours."""
    images = [arguments.share_of(rate, arguments.TRAIN) for rate in RATES]
    synthesis = arguments.impression_arguments(['--Rate', '1'])

    def samples(method):
        runs = [arguments.training_arguments(['--train_dir=x', '--main_scope=%s' % (method if method == 'Teacher' else 'Student'),
                                              '--Distillation=%s' % kind] + flags)
                for kind, flags in ([('None', [])] if method in ('Teacher', 'Student') else
                                    [('%s-%g' % (method.replace('_augment', ''), rate), ['--augment'] * method.endswith('augment'))
                                     for rate in RATES])]
        return sum(run.steps * run.batch_size for run in runs)

    rows = []
    for label, step, published, ours in [
            ('teacher', 'Teacher step', 200 * arguments.TRAIN, samples('Teacher')),
            ('student alone', 'Student step', 2000 * arguments.TRAIN, samples('Student')),
            ('impressions', 'impression step', 1500 * sum(images), synthesis.iterations * sum(images)),
            ('soft-logits', 'distillation step', 2000 * sum(images), samples('Soft_logits')),
            ('ZSKD', 'distillation step', 2000 * sum(images), samples('ZSKD')),
            ('ZSKD + augmentation', 'distillation step', 0, samples('ZSKD_augment'))]:
        plain, fast = costs[step]
        rows.append([label, published * plain / 3600, ours * fast / 3600])
    rows.append(['sum', sum(row[1] for row in rows), sum(row[2] for row in rows)])
    print('\nOne run of the table, core hours by these figures (published budgets, plain graphs; our defaults, our graphs)\n')
    print(tabulate([[label, '%.2f' % a, '%.3f' % b, '%.0f' % (a / b) if a else '-'] for label, a, b in rows],
                   ['', 'published', 'ours', 'ratio'], tablefmt='github'))


def print_small_table():
    rows = []
    for jobs in ('1', '2'):
        with tempfile.TemporaryDirectory() as root:
            started = time.perf_counter()
            subprocess.run([sys.executable, os.path.join(ROOT, 'autotrain.py'), '--root', root, '--jobs', jobs] + SMALL_TABLE,
                           check=True, stdout=subprocess.DEVNULL)
            rows.append(time.perf_counter() - started)
    print('\nWall time of a small table (%s): --jobs 1 %.0f s, --jobs 2 %.0f s, ratio %.2f'
          % (' '.join(SMALL_TABLE), rows[0], rows[1], rows[0] / rows[1]))


def print_profile(sess, name, step, size, most=12):
    """The costliest operations of one step, from TensorFlow's own trace."""
    for _ in range(5):
        sess.run(step)
    trace = tf.RunMetadata()
    sess.run(step, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=trace)
    times = {}
    for device in trace.step_stats.dev_stats:
        for node in device.node_stats:
            times[node.node_name] = times.get(node.node_name, 0) + node.op_end_rel_micros - node.op_start_rel_micros
    total = sum(times.values())
    print('\n%s: %.0f microseconds per sample in operations\n' % (name, total / size))
    print(tabulate([['%.1f' % (t / size), '%.0f %%' % (100 * t / total), node]
                    for node, t in sorted(times.items(), key=lambda item: -item[1])[:most]], ['us', 'share', 'operation'], tablefmt='github'))


if __name__ == '__main__':
    main()
