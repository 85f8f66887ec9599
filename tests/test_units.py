"""Units of a teacher: its logits are divided by a measured power of two, and a student gets it back."""
import numpy as np
import pytest

from nets.networks import find_pair, fitted, variable_shapes
from teachers.trained import TrainedNetwork, open_teacher
from teachers.units import check_last_layer, enlarged, logit_size, unit_of
from train_w_distill import build_training
from utils.files import RunError
from utils.graph_mode import new_graph, session, tf, values_of
from utils.matfile import mat_arrays, save_mat
from utils.records.inputs import opened_teacher
from utils.records.layout import synthesis_files
from utils.settings.flags import synthesis_flags, training_flags

LENET = find_pair('lenet')
IMAGES = np.random.RandomState(0).randint(0, 256, (5, 32, 32, 1)).astype(np.uint8)


@pytest.fixture
def times(teacher, tmp_path):
    """A function that gives the project's teacher with logits some times as large."""
    def scaled(factor):
        path = str(tmp_path / ('%g.mat' % factor))
        arrays = {name: array.ravel() if name.endswith('biases') else array  # a MAT-file has rows
                  for name, array in mat_arrays(teacher)[0].items()}
        save_mat(path, enlarged(arrays, 10, factor))
        return open_teacher(path, LENET)
    return scaled


def test_the_size_of_the_logits_is_exactly_equivariant(times):
    assert logit_size(times(8)) == 8 * logit_size(times(1))


def test_the_unit_is_the_power_of_two_by_which_logits_are_larger(times, monkeypatch):
    assert unit_of(times(16), 1, 'cpu') == 1, "networks of the project's pairs are in units of 1"
    monkeypatch.setattr('teachers.units.PAIRS', [])
    assert [unit_of(times(factor), 1, 'cpu') for factor in (1, 3, 0.2)] == [1, 2, 0.25]


def test_logits_are_divided_by_the_unit(times):
    teacher, raw = times(1), times(1).answers(IMAGES)
    teacher.unit = 4.0
    np.testing.assert_array_equal(teacher.answers(IMAGES), raw / 4)


def test_labels_ask_for_logits_as_they_are_in_the_end():
    settings = training_flags(['--train_dir=x', '--Distillation=Soft_logits-1', '--weight_decay=0',
                               '--ce_weight=1', '--kl_weight=0'])
    losses = []
    for unit, factor in ((4.0, 1.0), (1.0, 4.0)):
        new_graph(0)
        graph = build_training(settings, LENET, 10, unit)
        with session(1) as sess:
            sess.run(tf.global_variables_initializer())
            weights = enlarged(values_of(sess, graph.variables), 10, factor)
            for variable in graph.variables:
                variable.load(weights[variable.op.name], sess)
            losses.append(sess.run(graph.loss, {graph.pixels: IMAGES, graph.labels: np.arange(5)}))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize('pair', ['lenet', 'own'])
def test_a_students_logits_are_enlarged_by_its_last_layer(pair, own_pair, tmp_path):
    pair = find_pair(own_pair if pair == 'own' else pair)
    rng = np.random.RandomState(0)
    weights = {name: rng.uniform(0.1, 1, shape).astype(np.float32)
               for name, shape in variable_shapes(pair, 'Student', 7).items()}
    images, logits = rng.uniform(size=(3, *pair.image_shape)).astype(np.float32), []
    for number, arrays in enumerate((weights, enlarged(weights, 7, 4.0))):
        path = str(tmp_path / ('%d.mat' % number))
        save_mat(path, arrays)
        student = TrainedNetwork(path, pair, 'Student')
        new_graph(0)
        output = student.logits(tf.constant(images))
        with session(1) as sess:
            student.restore(sess)
            logits.append(sess.run(output))
    np.testing.assert_array_equal(logits[1], 4 * logits[0])


PAIR = '''
from nets.layers import batch_norm, dense, flatten
from utils.graph_mode import tf

def student(images, classes, training):
    hidden = tf.nn.relu(dense(flatten(images), 'fc0', 20, deviation=0.1))
    %s
'''


@pytest.mark.parametrize('end, fits', [
    ("return dense(hidden, 'fc1', classes, deviation=0.1)", True),
    ("return 3.0 * dense(hidden, 'fc1', classes, deviation=0.1)", True),
    ("return batch_norm(dense(hidden, 'fc1', classes, deviation=0.1), 'norm', training)", False),
    ("return tf.matmul(hidden, tf.get_variable('w', [classes, 20]), transpose_b=True)", False)])
def test_a_student_whose_last_layer_is_not_its_last_weights_is_refused_before_it_trains(end, fits, tmp_path):
    (tmp_path / 'own.py').write_text(PAIR % end)
    pair = fitted(find_pair(str(tmp_path / 'own.py')), (12, 12, 1), 7)
    if fits:
        check_last_layer(pair, 7, 4.0)
    else:
        with pytest.raises(RunError, match='must end in a layer with weights'):
            check_last_layer(pair, 7, 4.0)


@pytest.mark.parametrize('recipe, unit', [('default', 4), ('published', 1)])
def test_a_job_opens_its_teacher_in_its_unit(recipe, unit, teacher, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('utils.records.inputs.unit_of', lambda *_: 4.0)
    settings = synthesis_flags(['--Rate=1', '--teacher', teacher, '--recipe', recipe])
    assert opened_teacher(settings, synthesis_files(settings), LENET).unit == unit
    assert ('temperatures are for logits 4 times as large' in capsys.readouterr().out) == (unit == 4)
