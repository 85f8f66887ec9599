"""Pictures of what the teacher knows and what came of it.

    python visualization.py
    python visualization.py --student MNIST/ZSKD10/zskd10_0/train_params.mat

Writes concentrate.png (class similarity of the teacher's last layer), samples.png (data impressions, each with the two
most probable classes of its target) and accuracy.png (accuracy over rate, from results.csv) to --save_path; or else
confusion.png (what a trained network takes the test images of each class for).
"""
import csv
import io
import os
import statistics
import subprocess
import sys

import matplotlib

if '--show' not in sys.argv:
    matplotlib.use('Agg')  # needs no display

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from tabulate import tabulate  # noqa: E402

from utils import datasets  # noqa: E402
from utils.console import run  # noqa: E402
from utils.datasets import CLASSES, class_names, title  # noqa: E402
from utils.files import RunError, atomic_write, read_bytes  # noqa: E402
from utils.flags import picture_flags  # noqa: E402
from utils.impressions import load_impressions  # noqa: E402
from utils.layout import REPOSITORY, impressions_file, teacher_file  # noqa: E402
from utils.matfile import load_any  # noqa: E402
from utils.methods import METHODS  # noqa: E402
from utils.results import IMPRESSIONS  # noqa: E402
from utils.session import logits_of  # noqa: E402
from utils.synthesis import similarity_of  # noqa: E402

RECORDS = {'mnist': os.path.join(REPOSITORY, 'results', 'results.csv')}  # the committed tables


def main(argv=None):
    args = picture_flags(argv)
    names = class_names(args.dataset)
    if args.student:
        pictures = {'confusion.png': draw_confusion(*predictions(args), names)}
    else:
        images, targets = load_impressions(args.impressions or default_impressions(args.teacher))
        pictures = {'concentrate.png': draw_similarity(similarity_of(teacher_file(args.teacher)), names),
                    'samples.png': draw_samples(images, targets, args.rows, names)}
        results = args.results or next(filter(os.path.exists, [
            os.path.join(title(args.dataset), 'results.csv'), RECORDS.get(args.dataset, '')]), None)
        if results:
            pictures['accuracy.png'] = draw_accuracy(load_accuracies(results))
        else:
            print('no results.csv yet, so no accuracy.png: run autotrain.py, or give --results')
    for name, figure in pictures.items():
        path = os.path.join(args.save_path, name)
        with atomic_write(path) as file:
            figure.savefig(file, format='png', dpi=120, bbox_inches='tight', metadata={'Software': None})
        print(path)
    if args.show:
        plt.show()
    plt.close('all')


def predictions(args):
    """What a trained network and its teacher say of the test images: (labels, its classes, its teacher's), each [N]."""
    if args.dataset == 'none':
        raise RunError('--student is looked at on test images; choose a --dataset')
    scope = 'Teacher' if 'Teacher/fc2/weights' in load_any(args.student) else 'Student'
    images, labels = datasets.load(args.dataset, args.data, 'test')
    return (labels, logits_of(args.student, scope, images, threads=1).argmax(axis=1),
            logits_of(teacher_file(args.teacher), 'Teacher', images, threads=1).argmax(axis=1))


def default_impressions(teacher):
    """The path of impressions to show, DI/DI-1.mat; they are made first if there are none."""
    path = impressions_file('DI', 1)
    if not os.path.exists(path):
        command = [sys.executable, os.path.join(REPOSITORY, 'Data_Impressions.py'), '--Rate=1', '--teacher', teacher]
        if subprocess.run(command).returncode:
            raise RunError('no impressions to show: Data_Impressions.py failed, see above')
    return path


def load_accuracies(path):
    """{method: {rate: [accuracy of every run]}} from a results.csv; RunError if it is none, or has no training's row."""
    accuracies, content = {method: {} for method in METHODS}, read_bytes(path).decode(errors='replace')
    try:
        for row in csv.DictReader(io.StringIO(content, newline='')):
            if row['method'] != IMPRESSIONS:
                rate, accuracy = float(row['rate']), float(row['accuracy'])
                if not (0 < rate <= 100 and 0 <= accuracy <= 100):
                    raise ValueError('rate %s, accuracy %s' % (rate, accuracy))
                accuracies[row['method']].setdefault(rate, []).append(accuracy)
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise RunError('%r is no results.csv of autotrain.py (%s)' % (path, error)) from error
    if not any(accuracies.values()):
        raise RunError('%r holds no accuracy; let autotrain.py end a training, or give another file with --results' % path)
    return accuracies


def draw_similarity(similarity, names):
    """The class-similarity matrix [10, 10], values in [0, 1], with the classes' names and a colour bar."""
    figure, axes = plt.subplots(figsize=(5, 4.2))
    image = axes.imshow(similarity, cmap='viridis', vmin=0, vmax=1)
    _name_classes(axes, names)
    axes.set(xlabel='class', ylabel='class $k$', title='Class similarity $C_k$ of the teacher')
    figure.colorbar(image)
    return figure


def draw_confusion(labels, predicted, teachers, names):
    """The confusion matrix of a network's predicted classes, counts of images; prints its figures as well.

    labels, predicted, teachers (what its teacher says): [N] in 0..9.
    """
    accuracy, agreement = 100 * np.mean(predicted == labels), 100 * np.mean(predicted == teachers)
    confusion = np.bincount(CLASSES * labels.astype(int) + predicted, minlength=CLASSES ** 2).reshape(CLASSES, CLASSES)
    headline = 'accuracy %.2f %%, agreement with the teacher %.2f %%' % (accuracy, agreement)
    print('%s, on %d test images' % (headline, len(labels)))
    print(tabulate([[name] + row.tolist() for name, row in zip(names, confusion)], ['of, taken for'] + list(names)))
    figure, axes = plt.subplots(figsize=(7, 6.4))
    mistakes = np.where(np.eye(CLASSES, dtype=bool), 0, confusion)
    axes.imshow(mistakes, cmap='Reds')
    for of, taken_for in np.argwhere(confusion):
        axes.text(taken_for, of, confusion[of, taken_for], ha='center', va='center', fontsize=8,
                  color='white' if mistakes[of, taken_for] > 0.6 * mistakes.max() else 'black')
    _name_classes(axes, names)
    axes.set(xlabel='predicted class', ylabel='class', title=headline)
    return figure


def _name_classes(axes, names):
    axes.set_xticks(range(CLASSES))
    axes.set_yticks(range(CLASSES))
    axes.set_xticklabels(names, rotation=90 if max(map(len, names)) > 1 else 0)
    axes.set_yticklabels(names)


def draw_samples(images, targets, rows, names):
    """A grid of impressions, a column per class: images [N, 32, 32, 1] in 0..255, targets [N, 10]."""
    figure, grid = plt.subplots(rows, CLASSES, figsize=(1.3 * CLASSES, 1.5 * rows), squeeze=False)
    for axes in grid.flat:
        axes.axis('off')
    for k in range(CLASSES):
        for axes, i in zip(grid[:, k], np.flatnonzero(targets.argmax(axis=1) == k)):
            axes.imshow(images[i, :, :, 0], cmap='gray', vmin=0, vmax=255)
            first, second = np.argsort(targets[i])[:-3:-1]
            axes.set_title('%s %.2f, %s %.2f' % (names[first], targets[i, first], names[second], targets[i, second]),
                           fontsize=7 if max(map(len, names)) == 1 else 4.5)
    return figure


def draw_accuracy(accuracies):
    """Mean accuracy over the rate with one (sample) standard deviation; teacher and student alone as lines."""
    figure, axes = plt.subplots(figsize=(6, 4.2))
    for method, colour in zip(METHODS.values(), ['black', 'gray', 'tab:red', 'tab:blue', 'tab:green']):
        rates = sorted(accuracies[method.name])
        if not rates:
            continue
        runs = [accuracies[method.name][rate] for rate in rates]
        means = [statistics.mean(values) for values in runs]
        if method.has_teacher:
            spread = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in runs]
            axes.errorbar(rates, means, spread, color=colour, marker='o', capsize=3, label=method.label)
        else:
            axes.axhline(means[0], color=colour, linestyle='--', label=method.label)
    axes.set_xscale('log')
    ticks = sorted({rate for method in METHODS.values() if method.has_teacher for rate in accuracies[method.name]})
    axes.set(xlabel='rate (% of 60,000)', ylabel='test accuracy (%)', xticks=ticks,
             xticklabels=['%g' % rate for rate in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == '__main__':
    run(main)
