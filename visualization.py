"""Pictures of what the teacher knows and what came of it.

    python visualization.py --save_path figures

Writes concentrate.png (class similarity of the teacher's last layer), samples.png (data impressions, each with
the two most probable classes of its target) and accuracy.png (accuracy over rate, from results.csv).
"""
import argparse
import csv
import os
import statistics
import subprocess
import sys

import matplotlib

if '--show' not in sys.argv:
    matplotlib.use('Agg')  # needs no display

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from nets.similarity import class_similarity  # noqa: E402
from utils import arguments  # noqa: E402
from utils.console import run  # noqa: E402
from utils.files import RunError, atomic_write, load_mat  # noqa: E402
from utils.impressions import load_impressions  # noqa: E402
from utils.mnist import CLASSES  # noqa: E402
from utils.table import COLUMNS  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def main(argv=None):
    args = parse(argv)
    teacher = load_mat(arguments.teacher_path(args.teacher), {'Teacher/fc2/weights': [84, CLASSES]})
    pictures = {'concentrate.png': draw_similarity(class_similarity(teacher['Teacher/fc2/weights'])),
                'samples.png': draw_samples(*load_impressions(existing_impressions(args)), rows=args.rows)}
    results = args.results or next(filter(os.path.exists, [
        os.path.join('MNIST', 'results.csv'), os.path.join(HERE, 'results', 'results.csv')]), None)
    if results:
        pictures['accuracy.png'] = draw_accuracy(load_accuracies(results))
    for name, figure in pictures.items():
        path = os.path.join(args.save_path, name)
        with atomic_write(path) as file:
            figure.savefig(file, format='png', dpi=120, bbox_inches='tight', metadata={'Software': None})
        print(path)
    if not results:
        print('no results.csv yet, so no accuracy.png: run autotrain.py, or give --results')
    if args.show:
        plt.show()
    plt.close('all')


def parse(argv):
    parser = arguments.Parser(description='Draws the class similarity, impressions, and the accuracies.',
                              formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add('--teacher', default='Lenet5', type=arguments.path, help='a name in pre_trained/, or a path to a .mat')
    add('--impressions', default=os.path.join('DI', 'DI-1.mat'), type=arguments.path, metavar='FILE',
        help='impressions to show; made from the teacher if the default file is not there')
    add('--results', type=arguments.path, metavar='FILE',
        help='results.csv of autotrain.py (default: that of MNIST/, or else the published one in results/)')
    add('--save_path', default='figures', type=arguments.path, metavar='DIR', help='where the pictures go')
    add('--rows', default=5, type=arguments.whole(1, 50), help='impressions per class')
    add('--show', action='store_true', help='open windows as well')
    args = parser.parse_args(argv)
    args.default_impressions = parser.get_default('impressions')
    return args


def existing_impressions(args):
    """The path of the impressions to show; the default ones are made first if there are none."""
    if not os.path.exists(args.impressions) and args.impressions == args.default_impressions:
        command = [sys.executable, os.path.join(HERE, 'Data_Impressions.py'), '--Rate', '1',
                   '--teacher', args.teacher, '--save_path', os.path.dirname(args.impressions)]
        if subprocess.run(command).returncode:
            raise RunError('no impressions to show: Data_Impressions.py failed, see above')
    return args.impressions


def load_accuracies(path):
    """{method: {rate: [accuracy of every run]}} from a results.csv; RunError if it is none."""
    accuracies = {method: {} for method in COLUMNS}
    try:
        with open(path, newline='') as file:
            for row in csv.DictReader(file):
                accuracies[row['method']].setdefault(float(row['rate']), []).append(float(row['accuracy']))
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise RunError('%r is no results.csv of autotrain.py (%s)' % (path, error)) from error
    return accuracies


def draw_similarity(similarity):
    """The class-similarity matrix [10, 10], values in [0, 1], with class ticks and colour bar."""
    figure, axes = plt.subplots(figsize=(5, 4.2))
    image = axes.imshow(similarity, cmap='viridis', vmin=0, vmax=1)
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), xlabel='class', ylabel='class $k$',
             title='Class similarity $C_k$ of the teacher')
    figure.colorbar(image)
    return figure


def draw_samples(images, targets, rows):
    """A grid of impressions, a column per class: images [N, 32, 32, 1] in 0..255, targets [N, 10]."""
    figure, grid = plt.subplots(rows, CLASSES, figsize=(1.3 * CLASSES, 1.5 * rows), squeeze=False)
    for axes in grid.flat:
        axes.axis('off')
    for k in range(CLASSES):
        for axes, i in zip(grid[:, k], np.flatnonzero(targets.argmax(axis=1) == k)):
            axes.imshow(images[i, :, :, 0], cmap='gray', vmin=0, vmax=255)
            first, second = np.argsort(targets[i])[:-3:-1]
            axes.set_title("'%d':%.2f, '%d':%.2f" % (first, targets[i, first], second, targets[i, second]), fontsize=7)
    return figure


def draw_accuracy(accuracies):
    """Mean accuracy over the rate with one (sample) standard deviation; teacher and student alone as lines."""
    figure, axes = plt.subplots(figsize=(6, 4.2))
    for (method, label), colour in zip(COLUMNS.items(), ['black', 'gray', 'tab:red', 'tab:blue', 'tab:green']):
        rates = sorted(accuracies[method])
        if not rates:
            continue
        means = [statistics.mean(accuracies[method][rate]) for rate in rates]
        if method in ('Teacher', 'Student'):
            axes.axhline(means[0], color=colour, linestyle='--', label=label)
        else:
            spread = [np.std(accuracies[method][rate], ddof=min(1, len(accuracies[method][rate]) - 1)) for rate in rates]
            axes.errorbar(rates, means, spread, color=colour, marker='o', capsize=3, label=label)
    axes.set_xscale('log')
    ticks = sorted({rate for method in accuracies for rate in accuracies[method]})
    axes.set(xlabel='rate (% of 60,000)', ylabel='test accuracy (%)', xticks=ticks,
             xticklabels=['%g' % rate for rate in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == '__main__':
    run(main)
