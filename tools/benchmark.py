"""How fast the scripts are: the plain form of the networks and the fast one, in turn.

    make bench                      a step of every kind, ten minutes
    make bench ARGS="--threads 2"   the same on two threads
    make bench ARGS=--full          and whole jobs as processes, about half an hour

Steps are timed as the scripts run them: the graphs of train_w_distill.py and Data_Impressions.py, fed bytes
in the batches of their recipe, the same fetches.
"""
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np
from tabulate import tabulate

from Data_Impressions import build_search
from nets.networks import build, find_pair
from train_w_distill import build_training
from utils.console import run
from utils.files import REPOSITORY, load_json
from utils.graph_mode import session, tf
from utils.records.records import git_commit, versions
from utils.settings import flags, recipes
from utils.settings.methods import METHODS, TABLE
from utils.settings.parser import Parser

CLASSES = 10
FORMS = {'plain': True, 'fast': False}  # whether it is plain
REPETITIONS = 12
# Of these (recipe, pair) a few kinds are timed; the batches of the others are the same.
PUBLISHED_STEPS = ['Teacher 100', 'ZSKD 40', 'impressions 40']
FEW = {('published', 'lenet'): PUBLISHED_STEPS, ('default', 'alexnet'): ['Student 100', *PUBLISHED_STEPS]}


def main():
    parser = Parser(description=__doc__)
    parser.add_argument('--threads', type=int, default=1, help='of a step')
    parser.add_argument('--full', action='store_true', help='time whole jobs as well')
    args = parser.parse_args()
    print('%s, %d cores; commit %s; TensorFlow %s, Python %s; threads: %d' % (
        platform.processor() or platform.machine(), os.cpu_count(), git_commit(), versions()['tensorflow'],
        versions()['python'], args.threads), flush=True)
    costs = {}
    for recipe, nets in [(recipe, nets) for recipe, pairs in recipes.RECIPES.items() for nets in pairs]:
        rows = []
        for name, settings in kinds(recipe, nets).items():
            if name not in FEW.get((recipe, nets), [name]):
                continue
            with contextlib.ExitStack() as stack:
                steps = [stack.enter_context(Step(settings, form, args.threads)) for form in FORMS.values()]
                times = [[step.seconds() for step in steps] for _ in range(REPETITIONS)]
            plain, fast = (1e6 * statistics.median(column) / settings.batch_size for column in zip(*times))
            ratios = sorted(a / b for a, b in times)
            costs[recipe, nets, name] = plain, fast
            rows.append([name, settings.batch_size, '%.0f' % plain, '%.0f' % fast,
                         '%.1f' % statistics.median(ratios), '%.1f - %.1f' % (ratios[0], ratios[-1])])
        print('\nSteps of --recipe %s --nets %s, microseconds per sample, median of %d repetitions in turn\n'
              % (recipe, nets, REPETITIONS))
        print(tabulate(rows, ['', 'batch', *FORMS, 'ratio', 'its range'], tablefmt='github'), flush=True)
    print_run(costs)
    if args.full:
        print_jobs()


def kinds(recipe, nets):
    """{name: settings} of every kind of job in a table of that recipe and pair."""
    jobs = {}
    for method in [METHODS[name] for name in TABLE]:
        if method.name in recipes.recipe_for(recipe, nets).training:
            for rate in recipes.RATES if method.has_teacher else [100]:
                words = ['--train_dir=x', '--recipe', recipe, '--nets', nets, '--main_scope', method.role]
                words += ['--augment'] * method.augment
                if method.has_teacher:
                    words += ['--Distillation', '%s-%g' % (method.source.distillation, rate)]
                jobs['%s %g' % (method.label, rate)] = flags.training_flags(words)
    for rate in recipes.RATES:
        jobs['impressions %g' % rate] = flags.synthesis_flags(['--Rate', str(rate), '--recipe', recipe,
                                                            '--nets', nets])
    return jobs


class Step:
    """One training or search step in a graph and session of its own; what it learns from is noise."""

    def __init__(self, settings, plain, threads=1):
        rng, size, pair = np.random.RandomState(0), settings.batch_size, find_pair(settings.nets)
        self._graph = tf.Graph()
        with self._graph.as_default():
            if hasattr(settings, 'iterations'):
                # A search needs no more of a teacher; the weights are first ones, not those of a file.
                teacher = Namespace(
                    image_shape=pair.image_shape, classes=CLASSES,
                    logits=lambda images: build(pair, 'Teacher', images, CLASSES, plain=plain))
                graph = build_search(teacher, size, 1, settings)
                self._feed = {graph.targets: rng.dirichlet(np.ones(CLASSES), size), graph.offset: [1, -1],
                              graph.learning_rate: 1e-3}
                self._fetches = [graph.loss, graph.train_op]
            else:
                graph = build_training(settings, pair, CLASSES, plain=plain)
                self._feed = {graph.pixels: rng.randint(0, 256, (size, *pair.image_shape)).astype(np.uint8),
                              graph.labels: rng.randint(0, CLASSES, size), graph.learning_rate: 1e-3,
                              graph.teacher_logits: 10 * rng.standard_normal((size, CLASSES))}
                self._fetches = [graph.loss, graph.predictions, graph.train_op]
            self._initialise = tf.global_variables_initializer()
            self._sess = session(threads)

    def __enter__(self):
        self._sess.run(self._initialise)
        self._steps = 1
        self.seconds()
        self._steps = max(1, min(6, int(0.1 / self.seconds())))
        return self

    def __exit__(self, *_):
        self._sess.close()

    def seconds(self):
        """Mean time of a step, over up to six."""
        started = time.perf_counter()
        for _ in range(self._steps):
            self._sess.run(self._fetches, self._feed)
        return (time.perf_counter() - started) / self._steps


def print_run(costs):
    """Core hours of one run of LeNet's table, from the steps above: both recipes, both forms."""
    def hours(recipe, form):
        total = 0.0
        for name, settings in kinds(recipe, 'lenet').items():
            # A kind that was not timed costs as much as the last one of its network.
            timed = name if (recipe, 'lenet', name) in costs else {
                'impressions': 'impressions 40', 'Teacher': 'Teacher 100'}.get(name.split()[0], 'ZSKD 40')
            samples = (settings.steps * settings.batch_size if hasattr(settings, 'steps')
                       else settings.iterations * settings.size)
            total += 1e-6 / 3600 * samples * costs[recipe, 'lenet', timed][form]
        return total

    print('\nOne run of the table of --nets lenet in core hours (steps times their cost, without evaluation '
          'and start-up): published recipe %.1f plain, %.1f fast; default recipe %.2f fast' % (
              hours('published', 0), hours('published', 1), hours('default', 1)), flush=True)


def print_jobs():
    """Impressions at rate 1 and a student of them as processes: published (plain, fast), and default."""
    rows = []
    for label, prefix, recipe in [('published recipe, plain form', ['tools/plain_jobs.py'], 'published'),
                                  ('published recipe, fast form', [], 'published'),
                                  ('default recipe, fast form', [], 'default')]:
        with tempfile.TemporaryDirectory() as folder:
            for words in (['Data_Impressions.py', '--Rate=1', '--save_path', folder],
                          ['train_w_distill.py', '--Distillation=ZSKD-1', '--impressions', folder,
                           '--train_dir', folder]):
                started = time.perf_counter()
                subprocess.run([sys.executable, *prefix, *words, '--recipe', recipe], cwd=REPOSITORY,
                               check=True, stdout=subprocess.DEVNULL)
                rows.append([label, words[0], '%.0f' % (time.perf_counter() - started)])
            rows[-1].append('%.2f' % load_json(os.path.join(folder, 'result.json'))['accuracy'])
    print('\nWhole jobs at rate 1 as processes, one run each, one after the other\n')
    print(tabulate(rows, ['', 'job', 'seconds', 'test accuracy'], tablefmt='github', disable_numparse=True),
          flush=True)


if __name__ == '__main__':
    run(main)
