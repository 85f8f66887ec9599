"""A trained network, opened from a file: a teacher, or a student that is looked at."""
import numpy as np

from nets.networks import build, classes_among, network_variables, variable_shapes
from teachers.foreign import ForeignNetwork, UnreadableGraph
from teachers.formats import TeacherOptions, digest_of, format_of
from teachers.recognise import recognise
from teachers.weights import has_graph, read_weights
from utils.files import RunError
from utils.graph_mode import answers_of
from utils.images import CLASSES
from utils.matfile import arrays_of_shapes

AS_READ = TeacherOptions()
NO_GRAPH = ('%r holds weights and no graph, in which --teacher_input and --teacher_logits could name '
            'something; leave them out')


class TrainedNetwork:
    """A network of a pair with the weights that a file holds, of any format of teachers/weights.py.

    | attribute | content |
    | --- | --- |
    | path, digest | of the file or folder; SHA-256 of its content |
    | pair, role | the Pair, and 'Teacher' or 'Student' |
    | image_shape | (height, width, channels) of the images that it takes |
    | classes | their number, the columns of the last layer |
    | templates | float32 [features, classes]: the last layer's weights, a class template per column; None |
    | | where the pair has no LAST_LAYER |
    | last_layer | what its templates are called |
    | description | which network it is, in words |
    | unit | what its logits are divided by, 1 until somebody sets it (teachers/units.py) |
    """

    def __init__(self, path, pair, role, options=AS_READ):
        """options: a TeacherOptions, of which the pixel scale counts.

        Weights that have other names than the pair's are taken by their order and shapes, and a line on
        stdout says so. Raises RunError where the file does not hold such a network, with finite weights.
        """
        options.check(pair.image_shape[2])
        self.digest, arrays = digest_of(path), read_weights(path)
        self.path, self.pair, self.role, self.options = path, pair, role, options
        self.image_shape, self.last_layer = pair.image_shape, pair.last_layer
        last = '%s/%s' % (role, pair.last_layer)
        if pair.last_layer and last not in arrays:
            arrays = self._recognised(arrays, last)
        try:
            self.classes = (arrays_of_shapes(path, arrays, {last: [None, None]})[last].shape[1]
                            if pair.last_layer else classes_among(arrays, pair, role))
            self._arrays = arrays_of_shapes(path, arrays, variable_shapes(pair, role, self.classes))
        except RunError as error:
            raise RunError('%s (as the %s of the networks %r)' % (error, role.lower(), pair.name)) from error
        self.templates, self.unit = self._arrays.get(last), 1.0
        self.description = '%s of %s' % (role.lower(), pair.name)

    def _recognised(self, arrays, last):
        file_format = format_of(self.path)
        network = '%s of the networks %r' % (self.role.lower(), self.pair.name)
        # A graph of TensorFlow never has PyTorch's layout.
        found, layers = recognise(arrays, self.pair, self.role, file_format in ('torch', 'npz', 'mat'))
        if found is None:
            raise RunError('%r has no array %r [features, classes], and its arrays do not fit by order and '
                           'shape; it is no %s: give another file, its own --nets, or a whole network, '
                           'such as ONNX' % (self.path, last, network))
        print('%r: weights of the %s, recognised by order and shape: %s'
              % (self.path, network, ', '.join('%s = %s' % names for names in layers.items())))
        return found

    def logits(self, images, plain=False):
        """The network's logits [B, classes] in the default graph.

        images: float32 [B, *image_shape] in [0, 1]. The network's variables get their values by ``restore``.
        plain: from TensorFlow's own operations alone.
        """
        logits = build(self.pair, self.role, self.options.scaled(images), self.classes, plain=plain)
        self._variables = network_variables(self.role)
        return logits if self.unit == 1 else logits / self.unit

    def restore(self, sess):
        """Gives the variables of the graph in which ``logits`` was called last the weights of the file."""
        for variable in self._variables:
            variable.load(self._arrays[variable.op.name], sess)

    answers = answers_of


def open_teacher(path, pair, options=AS_READ):
    """The teacher in a file: a TrainedNetwork of the pair, or a ForeignNetwork.

    It is a ForeignNetwork where the file holds another network. options: a TeacherOptions. Raises RunError
    where the teacher cannot teach.
    """
    teacher = _open(path, pair, options)
    if teacher.classes not in CLASSES:
        raise RunError('%r is a teacher of %d classes, expected %d to %d; give one with as many outputs'
                       % (path, teacher.classes, CLASSES[0], CLASSES[-1]))
    without = np.flatnonzero(~teacher.templates.any(axis=0))
    if without.size:
        raise RunError('%r: class %d of the teacher has no weights in %s, so it is like no other class; '
                       'give a teacher that was trained on every class'
                       % (path, without[0], teacher.last_layer))
    templates = teacher.templates.astype(np.float64)  # whose squares are not lost
    directions = templates / np.linalg.norm(templates, axis=0)
    if np.allclose(directions, directions[:, :1], atol=1e-6):
        raise RunError('%r: all classes are alike in %s of the teacher; give a teacher that has been trained'
                       % (path, teacher.last_layer))
    return teacher


def _open(path, pair, options):
    if not has_graph(path):
        if options.input or options.logits:
            raise RunError(NO_GRAPH % path)
        if not hasattr(pair.module, 'teacher'):
            raise RunError('%r holds weights, and %r has no teacher that they could be of; give a whole '
                           'network, or another --nets' % (path, pair.name))
        return TrainedNetwork(path, pair, 'Teacher', options)
    read_weights(path)  # a damaged file is named here, before its graph is tried
    if not hasattr(pair.module, 'teacher') or options.input or options.logits:
        return ForeignNetwork(path, pair.image_shape, options)
    try:
        teacher = TrainedNetwork(path, pair, 'Teacher', options)
    except RunError:
        return ForeignNetwork(path, pair.image_shape, options)
    return _same_or_graph(teacher)


def _same_or_graph(teacher):
    """``teacher``, a TrainedNetwork whose file holds a graph as well, or the network of that graph.

    It is the graph's where the graph computes something else from the weights.
    """
    try:
        graph = ForeignNetwork(teacher.path, teacher.image_shape, teacher.options)
    except UnreadableGraph as error:  # a layer with code, or bytes such as in an export of this project
        print('%s; its weights alone are the teacher' % error)
        return teacher
    if graph.image_shape == teacher.image_shape:
        images = np.random.RandomState(0).randint(0, 256, (4, *teacher.image_shape)).astype(np.uint8)
        ours, its = teacher.answers(images), graph.answers(images)
        if ours.shape == its.shape and np.abs(ours - its).max() <= 1e-3 * max(1, np.abs(its).max()):
            return teacher
    print('%r: its graph computes something else from these weights; the graph is the teacher' % teacher.path)
    return graph
