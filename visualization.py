"""Draws class similarity, impressions and accuracies, or a confusion matrix.

    python visualization.py
    python visualization.py --student MNIST/ZSKD10/zskd10_0/train_params.mat \
        --teacher MNIST/Teacher/tch0/train_params.mat

Writes concentrate.png (class similarity of the teacher's last layer), samples.png (data impressions, each
with the two most probable classes of its target) and accuracy.png (accuracy over rate, from results.csv) to
--save_path; with --student confusion.png instead, the confusion matrix of a network on the test images.
"""
if __name__ == '__main__':
    from utils.console import end_on_ctrl_c
    end_on_ctrl_c()  # while what follows is imported

import os
import statistics

import numpy as np
from tabulate import tabulate

import Data_Impressions
from export.source import student_of
from nets.losses import class_similarity
from nets.networks import find_pair
from teachers.formats import FLAGS, TeacherOptions, digest_of, teacher_file
from teachers.trained import open_teacher
from utils.console import run
from utils.data.datasets import dataset_info, impressions_folder, nominal, open_dataset
from utils.data.impressions import load_impressions
from utils.files import REPOSITORY, RunError
from utils.pictures import default_style, plain_text, save_picture, show_windows, subplots
from utils.records.layout import given_impressions, impressions_file
from utils.records.origins import check_impressions, check_network
from utils.settings.flags import picture_flags
from utils.settings.methods import METHODS
from utils.settings.parser import command_line
from utils.table.flags import default_root
from utils.table.results import by_agreement, by_holdout, by_method, read_results

COLUMNS = 20  # the most classes that samples.png shows
CELLS = 40    # with more classes a matrix has no room for counts, nor for the name of every class
RECORDS = {'mnist': os.path.join(REPOSITORY, 'results', 'results.csv'),  # the committed tables
           'fashion_mnist': os.path.join(REPOSITORY, 'results', 'fashion_mnist.csv'),
           'cifar10': os.path.join(REPOSITORY, 'results', 'cifar10.csv')}


def main(argv=None):
    args = picture_flags(argv)
    paths = []
    with default_style():
        for name, figure in draw(args).items():
            paths.append(os.path.join(args.save_path, name))
            save_picture(figure, paths[-1])
            print(paths[-1])
    if args.show:
        show_windows(paths)


def draw(args):
    """{file name: figure} of all that the flags ask for."""
    pair = find_pair(args.nets)
    teacher = open_teacher(teacher_file(args.teacher), pair, TeacherOptions.of(args))
    # Names need no image. Predictions do.
    data = open_dataset if args.student else dataset_info
    dataset = None if args.dataset == 'none' else data(args.dataset, args.data)
    if dataset:
        check_network(teacher, dataset, args.any_teacher)
    names = dataset.class_names if dataset else [str(k) for k in range(teacher.classes)]
    if args.student:
        return {'confusion.png': draw_confusion(*predictions(args, pair, teacher, dataset), names)}
    path = given_impressions(args.impressions, 1) if args.impressions else default_impressions(args)
    impressions = load_impressions(path, teacher.image_shape, teacher.classes)
    check_impressions(impressions, teacher)
    figures = {'concentrate.png': draw_similarity(class_similarity(teacher.templates), names),
               'samples.png': draw_samples(impressions.images, impressions.targets, args.rows, names)}
    roots = [default_root(args.dataset, args.teacher), default_root(args.dataset)]
    tables = [os.path.join(root, 'results.csv') for root in roots] + [RECORDS.get(args.dataset, '')]
    results = args.results or next(filter(has_trainings, tables), None)
    if results:
        figures['accuracy.png'] = draw_accuracy(read_results(results), results, nominal(args.dataset))
        print('accuracies are those of %r' % results)
    else:
        print('no results.csv yet, so no accuracy.png: run autotrain.py, or give --results')
    return figures


def has_trainings(table):
    """Whether a results.csv is there and holds more than impressions."""
    return os.path.exists(table) and bool(by_method(read_results(table)))


def predictions(args, pair, teacher, dataset):
    """Labels of the test images, the classes that --student tells, and its teacher's; each [N]."""
    if not dataset:
        raise RunError('--student is evaluated on test images; choose a --dataset')
    network = teacher
    if digest_of(args.student) != teacher.digest:
        network = student_of(args.student, pair.name, teacher)
        check_network(network, dataset, args.any_teacher)
    (seen, labels), (images, _) = [dataset.part('test', each.image_shape) for each in (teacher, network)]
    return labels, network.answers(images).argmax(axis=1), teacher.answers(seen).argmax(axis=1)


def default_impressions(args):
    """The path of impressions to show, those of rate 1; they are made first if there are none."""
    path = impressions_file(impressions_folder(args.dataset), 1)
    if not os.path.exists(path):
        given = {flag: getattr(args, flag) for flag in ('teacher', 'any_teacher', 'dataset', 'nets', *FLAGS)}
        given = {flag: value for flag, value in given.items() if value is not None}
        Data_Impressions.main(['--Rate=1'] + command_line(given))
    return path


def draw_similarity(similarity, names):
    """The class-similarity matrix, [classes, classes] in [0, 1], with the classes' names and a colour bar."""
    figure, ((axes,),) = subplots()
    image = axes.imshow(similarity, cmap='viridis', vmin=0, vmax=1)
    _name_classes(axes, names)
    axes.set(xlabel='class', ylabel='class $k$', title='Class similarity $C_k$ of the teacher')
    figure.colorbar(image)
    return figure


def draw_confusion(labels, predicted, teachers, names):
    """The confusion matrix of a network's predicted classes, counts of images; prints its figures as well.

    labels, predicted, teachers (what its teacher says): [N], numbers of classes; names: of the classes, in
    order.
    """
    accuracy, agreement = 100 * np.mean(predicted == labels), 100 * np.mean(predicted == teachers)
    pairs = len(names) * labels.astype(int) + predicted
    confusion = np.bincount(pairs, minlength=len(names) ** 2).reshape(len(names), len(names))
    headline = 'accuracy %.2f %%, agreement with the teacher %.2f %%' % (accuracy, agreement)
    print('%s, on %d test images' % (headline, len(labels)))
    figure, ((axes,),) = subplots(size=(7, 6.4))
    mistakes = np.where(np.eye(len(names), dtype=bool), 0, confusion)
    axes.imshow(mistakes, cmap='Reds')
    if len(names) <= CELLS:
        rows = [[name] + row.tolist() for name, row in zip(names, confusion)]
        print(tabulate(rows, ['of, taken for'] + list(names), disable_numparse=True, stralign='right'))
        for of, taken_for in np.argwhere(confusion):
            axes.text(taken_for, of, confusion[of, taken_for], ha='center', va='center', fontsize=8,
                      color='white' if mistakes[of, taken_for] > 0.6 * mistakes.max() else 'black')
    _name_classes(axes, names)
    axes.set(xlabel='predicted class', ylabel='class', title=headline)
    return figure


def _name_classes(axes, names):
    """Names the rows and columns of a matrix; beyond CELLS of them, some at equal distances."""
    ticks = range(0, len(names), -(-len(names) // CELLS))
    labels = [plain_text(names[k]) for k in ticks]
    axes.set(xticks=ticks, yticks=ticks, yticklabels=labels)
    axes.set_xticklabels(labels, rotation=90 if max(map(len, names)) > 1 else 0)


def draw_samples(images, targets, rows, names):
    """A grid of impressions, a column per class, each with the two most probable classes of its target.

    Shows COLUMNS of more classes, evenly spread; a line on stdout says so.

    images: [N, H, W, 1], grey, or [N, H, W, 3], RGB, uint8 in 0..255; targets: [N, classes], rows sum to 1;
    names: of the classes, in order.
    """
    columns = min(len(names), COLUMNS)
    if columns < len(names):
        print('samples.png shows %d of %d classes' % (columns, len(names)))
    figure, grid = subplots(rows, columns, size=(1.3 * columns, 1.5 * rows))
    for axes in grid.flat:
        axes.axis('off')
    for column, k in zip(grid.T, np.linspace(0, len(names) - 1, columns).astype(int)):
        for axes, i in zip(column, np.flatnonzero(targets.argmax(axis=1) == k)):
            image = images[i, :, :, 0] if images.shape[3] == 1 else images[i]
            axes.imshow(image, cmap='gray', vmin=0, vmax=255)
            first, second = np.argsort(targets[i])[:-3:-1]
            title = '%s %.2f, %s %.2f' % (names[first], targets[i, first], names[second], targets[i, second])
            axes.set_title(plain_text(title), fontsize=7 if max(map(len, names)) == 1 else 4.5)
    return figure


def draw_accuracy(rows, path, total):
    """Mean accuracy, or agreement, over the rate with one (sample) standard deviation.

    Teacher and student alone are lines. rows: of the file ``path``, a results.csv; total: the number of
    images that a rate of 100 is. Raises RunError where no row is of a training.
    """
    found = by_method(rows)
    if not found:
        raise RunError('%r holds no training; let autotrain.py end one, or choose other --results' % path)
    figure, ((axes,),) = subplots(size=(6, 4.2))
    for method in [METHODS[name] for name in METHODS if name in found]:
        rates = sorted(found[method.name])
        runs = [found[method.name][rate] for rate in rates]
        means = [statistics.mean(values) for values in runs]
        if method.has_teacher:
            spread = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in runs]
            axes.errorbar(rates, means, spread, color=method.colour, marker='o', capsize=3,
                          label=method.label)
        else:
            axes.axhline(means[0], color=method.colour, linestyle='--', label=method.label)
    axes.set_xscale('log')
    ticks = sorted({rate for name in found if METHODS[name].has_teacher for rate in found[name]})
    measure = ('agreement with the teacher' if by_agreement(rows) else
               'validation accuracy' if by_holdout(rows) else 'test accuracy')
    axes.set(xlabel='rate (%% of %s)' % format(total, ','), ylabel=measure + ' (%)', xticks=ticks,
             xticklabels=['%g' % rate for rate in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == '__main__':
    run(main)
