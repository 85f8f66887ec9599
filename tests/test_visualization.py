"""visualization.py: that each picture shows what it is of. Looked at as figures, in this process."""
import math
import os
import shutil

import cv2
import numpy as np
import pytest
from conftest import ROOT, run_script

import train_w_distill
import visualization
from nets.networks import find_pair, variable_shapes
from teachers.trained import TrainedNetwork
from utils.data.datasets import DATASETS, open_dataset
from utils.data.impressions import save_impressions
from utils.files import RunError, load_json, save_json
from utils.matfile import save_mat
from utils.pictures import save_picture
from utils.settings.flags import picture_flags
from utils.table.results import by_method, read_results

RESULTS = ('method,rate,run,seed,accuracy\nTeacher,100,0,0,99\nStudent,100,0,0,98.5\nZSKD,1,0,0,92\n'
           'ZSKD,1,1,1,93\nZSKD,10,0,0,97\nSoft_logits,1,0,0,95\nSoft_logits,10,0,0,98\n')
IMPRESSIONS = 'Impressions,3,0,0,\n'  # as newer tables have them
FASHION = list(DATASETS['fashion_mnist'].class_names)
LENET = find_pair('lenet')


def labels_of(figure):
    """The tick labels of a figure's first axes: (of x, of y)."""
    figure.canvas.draw()
    return tuple([label.get_text() for label in labels]
                 for labels in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()))


def test_similarity_picture():
    picture = visualization.draw_similarity(np.eye(10) * 0.5 + 0.5, FASHION)
    assert labels_of(picture) == (FASHION, FASHION)
    shown, = picture.axes[0].images
    np.testing.assert_array_equal(shown.get_array(), np.eye(10) * 0.5 + 0.5)
    assert shown.get_clim() == (0, 1)


def test_samples_picture_has_a_column_per_class_and_names_the_two_most_probable():
    rng = np.random.RandomState(0)
    images = rng.randint(0, 256, (100, 32, 32, 1)).astype(np.uint8)
    targets = 0.4 * rng.dirichlet(np.full(10, 0.5), 100)
    targets[np.arange(100), np.arange(100) % 10] += 0.6
    grid = np.array(visualization.draw_samples(images, targets, 3, FASHION).axes).reshape(3, 10)
    for k in range(10):
        for shown, i in zip(grid[:, k], (k, k + 10, k + 20)):
            np.testing.assert_array_equal(shown.images[0].get_array(), images[i, :, :, 0])
            second = np.argsort(targets[i])[-2]
            assert shown.get_title() == '%s %.2f, %s %.2f' % (
                FASHION[k], targets[i, k], FASHION[second], targets[i, second])


@pytest.mark.parametrize('picture', ['similarity', 'samples', 'confusion'])
def test_class_names_are_text_and_not_mathematics(picture, tmp_path, capsys):
    names = ['$\\frac$', '$x_$', '$', 'US$', '$$', '%', '\\', '^', '{', '_', '\\$x\\$', '007']
    count = len(names)
    figure = {'similarity': lambda: visualization.draw_similarity(np.eye(count), names),
              'samples': lambda: visualization.draw_samples(np.zeros((count, 8, 8, 1), np.uint8),
                                                            np.eye(count), 1, names),
              'confusion': lambda: visualization.draw_confusion(*[np.arange(count)] * 3, names)}[picture]()
    save_picture(figure, str(tmp_path / 'picture.png'))  # it says what cannot be drawn
    axes = figure.axes[0]
    shown = [axes.title.get_text().split()[0]] if picture == 'samples' else labels_of(figure)[1]
    # Without an unescaped dollar a text is none of mathematics; each escaped one is shown as a dollar.
    assert shown == [name.replace('$', '\\$') for name in names[:len(shown)]]
    if picture == 'confusion':
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-count:]] == names


def test_of_many_classes_some_are_shown_and_a_line_says_so(capsys):
    names = ['class %d' % k for k in range(300)]
    figure = visualization.draw_samples(np.zeros((300, 8, 8, 1), np.uint8), np.eye(300), 1, names)
    assert [axes.get_title().split(' 1.00')[0] for axes in figure.axes][::19] == [names[0], names[-1]]
    assert len({axes.get_title() for axes in figure.axes}) == 20
    assert capsys.readouterr().out == 'samples.png shows 20 of 300 classes\n'
    assert labels_of(visualization.draw_similarity(np.eye(300), names))[0] == names[::8]
    confusion = visualization.draw_confusion(*[np.arange(300)] * 3, names)
    assert labels_of(confusion) == (names[::8], names[::8]) and not confusion.axes[0].texts
    assert capsys.readouterr().out.count('\n') == 1


def test_accuracy_picture_has_a_line_per_method_with_bars_of_one_sample_standard_deviation(tmp_path):
    (tmp_path / 'results.csv').write_text(RESULTS + IMPRESSIONS)
    rows = read_results(str(tmp_path / 'results.csv'))
    axes, = visualization.draw_accuracy(rows, 'results.csv', 50000).axes
    assert axes.get_xlabel() == 'rate (% of 50,000)'
    assert axes.get_ylabel() == 'test accuracy (%)'
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert labels == {'Teacher', 'Student', 'Soft-logits', 'ZSKD'}
    zskd, = [container for container in axes.containers if container.get_label() == 'ZSKD']
    np.testing.assert_array_equal(zskd.lines[0].get_xydata(), [[1, 92.5], [10, 97]])
    heights = [top - bottom for (_, bottom), (_, top) in zskd.lines[2][0].get_segments()]
    assert heights == pytest.approx([math.sqrt(2), 0])


@pytest.mark.parametrize('saved', [
    lambda text: text, lambda text: '\ufeff' + text, lambda text: text.replace('\n', '\r\n'),
    lambda text: text.replace('\n', '\r'), lambda text: text.replace(',', '\t'),
    lambda text: '\ufeff' + text.replace(',', ';').replace('.', ',').replace('\n', '\r\n') + ';;;;\r\n;;\r\n',
], ids=['as written', 'byte order mark', 'CRLF', 'CR', 'tabs', 'by a German spreadsheet'])
def test_results_that_a_spreadsheet_has_saved(saved, tmp_path):
    (tmp_path / 'results.csv').write_bytes(saved(RESULTS + IMPRESSIONS).encode())
    assert by_method(read_results(str(tmp_path / 'results.csv'))) == {
        'Teacher': {100: [99]}, 'Student': {100: [98.5]}, 'ZSKD': {1: [92, 93], 10: [97]},
        'Soft_logits': {1: [95], 10: [98]}}


def test_results_of_a_table_without_a_data_set_are_agreements(tmp_path):
    (tmp_path / 'results.csv').write_text('method,rate,run,seed,accuracy,seconds,agreement\n'
                                          'Impressions,0.1,0,0,,3.1,\nZSKD,0.1,0,0,,3.1,41.5\n')
    rows = read_results(str(tmp_path / 'results.csv'))
    axes, = visualization.draw_accuracy(rows, 'results.csv', 60000).axes
    assert axes.get_ylabel() == 'agreement with the teacher (%)'
    assert axes.containers[0].lines[0].get_xydata().tolist() == [[0.1, 41.5]]


def test_confusion_picture_counts_and_names(capsys):
    labels, predicted = np.array([0, 0, 1, 9, 9, 9], np.uint8), np.array([0, 6, 1, 7, 7, 9])
    picture = visualization.draw_confusion(labels, predicted, np.array([0, 6, 1, 9, 9, 7]), FASHION)
    assert labels_of(picture) == (FASHION, FASHION)
    axes = picture.axes[0]
    counts = {text.get_position()[::-1]: int(text.get_text()) for text in axes.texts}  # of (class, predicted)
    assert counts == {(0, 0): 1, (0, 6): 1, (1, 1): 1, (9, 7): 2, (9, 9): 1}
    assert axes.get_title() == 'accuracy 50.00 %, agreement with the teacher 50.00 %'
    printed = capsys.readouterr().out.split('\n')
    assert printed[0] == axes.get_title() + ', on 6 test images'
    boot, = [line.split() for line in printed if 'boot ' in line][-1:]
    assert boot == ['boot', '0', '0', '0', '0', '0', '0', '0', '2', '0', '1']


@pytest.fixture(scope='module')
def student(tmp_path_factory, small):
    """Weights of a student that is right now and then."""
    folder = str(tmp_path_factory.mktemp('student'))
    train_w_distill.main(['--train_dir', folder, '--dataset', small, '--steps=30'])
    return os.path.join(folder, 'train_params.mat')


@pytest.mark.parametrize('scope', ['Student', 'Teacher'])
def test_a_student_or_a_teacher_looked_at(scope, student, teacher, small, tmp_path, capsys):
    path = student if scope == 'Student' else teacher
    images, labels = open_dataset(small, '').part('test', LENET.image_shape)
    predicted, teachers = [TrainedNetwork(file, LENET, role).answers(images).argmax(axis=1)
                           for file, role in ((path, scope), (teacher, 'Teacher'))]
    capsys.readouterr()
    visualization.main(['--student', path, '--dataset', small, '--any_teacher', '--save_path', str(tmp_path)])
    printed = capsys.readouterr().out.split('\n')
    assert printed[0].endswith("Lenet5.mat' was trained on mnist, not on small")
    assert printed[1] == ('accuracy %.2f %%, agreement with the teacher %.2f %%, on 500 test images'
                          % (100 * np.mean(predicted == labels), 100 * np.mean(predicted == teachers)))
    assert os.listdir(str(tmp_path)) == ['confusion.png']
    assert min(cv2.imread(str(tmp_path / 'confusion.png')).shape[:2]) > 500


def test_a_student_of_another_teacher_is_not_compared_with_this_one(student, small, tmp_path):
    folder = os.path.dirname(student)
    record = load_json(os.path.join(folder, 'result.json'))
    record['inputs']['teacher'] = 64 * '0'
    shutil.copy(student, str(tmp_path))
    save_json(str(tmp_path / 'result.json'), record)
    flags = ['--student', str(tmp_path / 'train_params.mat'), '--dataset', small, '--any_teacher']
    with pytest.raises(RunError, match="learned from another teacher than '.*Lenet5.mat'"):
        visualization.draw(picture_flags(flags))


@pytest.mark.parametrize('weights, data_set, said', [
    ('letters.mat', 'small.npz', "letters.mat' knows 26 classes and the data set small has 10"),
    ('train_params.mat', 'other.npz', "train_params.mat' was trained on .*small.npz, not on other;")])
def test_a_student_of_other_classes_or_data_is_refused(weights, data_set, said, student, teacher, small,
                                                       tmp_path):
    for file in small, teacher, student, os.path.join(os.path.dirname(student), 'result.json'):
        shutil.copy(file, str(tmp_path))
    shapes = variable_shapes(LENET, 'Student', 26)
    save_mat(str(tmp_path / 'letters.mat'), {name: np.ones(shape) for name, shape in shapes.items()})
    with np.load(small) as arrays:
        np.savez(str(tmp_path / 'other.npz'), **dict(arrays, x_test=arrays['x_test'][::-1]))
    flags = ['--student', str(tmp_path / weights), '--dataset', str(tmp_path / data_set),
             '--teacher', str(tmp_path / 'Lenet5.mat')]
    with pytest.raises(RunError, match=said):
        visualization.draw(picture_flags(flags))


def test_a_teacher_that_is_its_own_student_is_read_by_the_same_flags(teacher, small, capsys):
    flags = ['--student', teacher, '--teacher', teacher, '--dataset', small, '--any_teacher']
    visualization.draw(picture_flags([*flags, '--teacher_scale', '-1', '1']))
    assert ', agreement with the teacher 100.00 %' in capsys.readouterr().out


@pytest.mark.parametrize('data_set, names', [('fashion_mnist', FASHION), ('mnist', list('0123456789'))])
def test_the_data_set_gives_the_classes_their_names(data_set, names, tmp_path, monkeypatch, teacher):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'results.csv').write_text(RESULTS)
    drawn = visualization.draw(picture_flags(['--dataset', data_set, '--any_teacher', '--results=results.csv',
                                              '--impressions', samples_file(tmp_path)]))
    assert sorted(drawn) == ['accuracy.png', 'concentrate.png', 'samples.png']
    assert labels_of(drawn['concentrate.png']) == (names, names)
    assert [axes.get_title().split()[0] for axes in drawn['samples.png'].axes[:10]] == names


def test_a_table_that_has_no_training_yet_is_not_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'MNIST').mkdir()
    (tmp_path / 'MNIST' / 'results.csv').write_text('method,rate,run,seed,accuracy,seconds\n')
    drawn = visualization.draw(picture_flags(['--impressions', samples_file(tmp_path)]))
    assert sorted(drawn) == ['accuracy.png', 'concentrate.png', 'samples.png'], 'that of the published table'


def samples_file(folder):
    rng = np.random.RandomState(0)
    path = str(folder / 'DI.mat')
    targets = np.repeat(np.eye(10, dtype=np.float32), 2, axis=0)
    save_impressions(path, rng.randint(0, 256, (20, 32, 32, 1)), targets)
    return path


def test_pictures_straight_after_a_clone(tmp_path):
    """Without a display, impressions and results of one's own.

    The grid's impressions are made, and the record is the committed one.
    """
    environment = {name: value for name, value in os.environ.items() if name != 'DISPLAY'}
    done = run_script(['visualization.py'], cwd=str(tmp_path), env=environment)
    assert done.returncode == 0, done.stderr
    assert 'accuracies are those of %r\n' % os.path.join(ROOT, 'results', 'results.csv') in done.stdout
    assert sorted(os.listdir(str(tmp_path))) == ['DI', 'pictures']
    assert (tmp_path / 'DI' / 'DI-1.mat').exists()
    similarity = cv2.imread(str(tmp_path / 'pictures' / 'concentrate.png')).astype(int)
    yellow = (np.abs(similarity - [37, 231, 253]) < 12).all(axis=2)  # the colour of 1, in BGR
    ys, xs = np.nonzero(yellow)
    inside = xs < 0.75 * similarity.shape[1]  # not the colour bar
    assert np.corrcoef(ys[inside], xs[inside])[0, 1] > 0.98  # the diagonal
    accuracy = cv2.imread(str(tmp_path / 'pictures' / 'accuracy.png')).astype(int)
    for colour in ([40, 39, 214], [180, 119, 31]):  # BGR of the soft-logits and the ZSKD line
        assert (np.abs(accuracy - colour) < 20).all(axis=2).sum() > 100
    inked = cv2.imread(str(tmp_path / 'pictures' / 'samples.png'), cv2.IMREAD_GRAYSCALE) < 200
    for axis, expected in ((0, 10), (1, 5)):  # images across and down; their titles have less than 50 pixels
        changes = np.flatnonzero(np.diff(np.concatenate([[0], inked.any(axis=axis), [0]])))
        assert np.count_nonzero(changes[1::2] - changes[::2] > 50) == expected


def test_no_results_no_accuracy_picture(tmp_path, monkeypatch, capsys, small):
    monkeypatch.chdir(tmp_path)
    visualization.main(['--dataset', small, '--any_teacher', '--impressions', samples_file(tmp_path)])
    assert sorted(os.listdir('pictures')) == ['concentrate.png', 'samples.png']
    assert 'no results.csv yet' in capsys.readouterr().out


# Whatever the user's environment.

DRAWING = """
import sys
from utils.pictures import default_style, save_picture, subplots
with default_style():
    figure, ((axes,),) = subplots()
    axes.set_title('$C_k$')
    save_picture(figure, sys.argv[1])
"""


def drawn_by(folder, before='', **environment):
    """The bytes of a picture of a process with these variables of the environment; None: without it."""
    changed = {name: value for name, value in dict(os.environ, **environment).items() if value is not None}
    done = run_script(['-c', before + DRAWING, folder / 'picture.png'], env=changed)
    assert (done.returncode, done.stderr) == (0, '')
    return (folder / 'picture.png').read_bytes()


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """The bytes of a picture in an environment without settings."""
    folder = tmp_path_factory.mktemp('plain')
    return drawn_by(folder, MPLBACKEND=None, MPLCONFIGDIR=str(folder))


@pytest.mark.parametrize('settings, backend', [
    ('text.usetex: True\nfont.size: 20\nbackend: TkAgg\n', None),
    ('', 'module://matplotlib_inline.backend_inline')], ids=['matplotlibrc', 'notebook'])
def test_no_setting_of_the_user_changes_a_picture(settings, backend, tmp_path, plain):
    (tmp_path / 'matplotlibrc').write_text(settings)
    assert drawn_by(tmp_path, MPLBACKEND=backend, MPLCONFIGDIR=str(tmp_path), DISPLAY=None) == plain


NO_ENTRY = """
import pwd
def no_entry(uid):
    raise KeyError('uid not found')
pwd.getpwuid = no_entry
"""


def test_a_user_without_a_home(tmp_path, plain):
    """As in a container that is started as some user; what matplotlib has as a home is gone in the end."""
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    nowhere = dict.fromkeys(['HOME', 'MPLBACKEND', 'MPLCONFIGDIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME'])
    assert drawn_by(tmp_path, NO_ENTRY, TMPDIR=str(scratch), **nowhere) == plain
    assert not list(scratch.iterdir())


@pytest.mark.parametrize('backend', ['module://none', 'agg', 'TkAgg'])
def test_where_no_window_can_be_opened_the_pictures_are_saved_all_the_same(backend, tmp_path, monkeypatch,
                                                                           capsys):
    monkeypatch.setenv('MPLBACKEND', backend)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.chdir(tmp_path)
    said = r'^no window can be opened \(.+\); the pictures are in the files above$'
    with pytest.raises(RunError, match=said):
        visualization.main(['--show', '--impressions', samples_file(tmp_path)])
    notice, _, *saved = capsys.readouterr().out.splitlines()
    assert 'has no record that says which teacher' in notice
    assert saved == ['pictures/concentrate.png', 'pictures/samples.png', 'pictures/accuracy.png']
    assert all((tmp_path / path).exists() for path in saved)


def test_windows_show_the_saved_pictures(tmp_path, monkeypatch):
    """With a backend that counts as one with windows, but has none."""
    monkeypatch.setattr('utils.pictures.NO_WINDOWS', {})
    monkeypatch.setenv('MPLBACKEND', 'agg')
    import matplotlib.pyplot as plt

    def show():
        for number in plt.get_fignums():
            image, = plt.figure(number).axes[0].images
            shown[image.figure.get_label()] = image.get_array().shape[:2]

    shown = {}
    monkeypatch.setattr(plt, 'show', show)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'results.csv').write_text(RESULTS)
    impressions = samples_file(tmp_path)
    assert not visualization.main(['--show', '--results=results.csv', '--impressions', impressions])
    names = os.listdir('pictures')
    assert shown == {name: cv2.imread(os.path.join('pictures', name)).shape[:2] for name in names}
    assert len(shown) == 3 and not plt.get_fignums()
