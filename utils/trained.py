"""A trained network, opened from a file: a teacher, or a student that is looked at."""
import numpy as np

from nets.build import build, network_variables, variable_shapes
from utils.files import RunError
from utils.matfile import fitting, mat_arrays
from utils.session import image_bytes, in_batches, new_graph, session


class TrainedNetwork:
    """A network of a pair with the weights that a MAT-file holds.

    | attribute | content |
    | --- | --- |
    | path, digest | of the file; SHA-256 of what was read |
    | pair, role | the Pair, and 'Teacher' or 'Student' |
    | classes | their number, the columns of the last layer |
    | templates | float32 [features, classes]: the last layer's weights, a class template per column |
    """

    def __init__(self, path, pair, role):
        """Raises RunError where the file does not hold such a network, with finite weights."""
        arrays, self.digest = mat_arrays(path)
        self.path, self.pair, self.role = path, pair, role
        last = '%s/%s' % (role, pair.last_layer)
        if last not in arrays:
            raise RunError('%r has no array %r [features, classes]; it is no %s of the networks %r: give '
                           'another file, or its own --nets' % (path, last, role.lower(), pair.name))
        self.classes = fitting(path, arrays, {last: [None, None]})[last].shape[1]
        self._arrays = fitting(path, arrays, variable_shapes(pair, role, self.classes))
        self.templates = self._arrays[last]

    def logits(self, images, textbook=False):
        """The network's logits [B, classes] of images float32 [B, *image_shape], in the default graph.

        Its variables get their values by ``restore``. textbook: from TensorFlow's own operations alone.
        """
        logits = build(self.pair, self.role, images, self.classes, textbook=textbook)
        self._variables = network_variables(self.role)
        return logits

    def restore(self, sess):
        """Gives the variables of the graph in which ``logits`` was called last the weights of the file."""
        for variable in self._variables:
            variable.load(self._arrays[variable.op.name], sess)

    def answers(self, images, threads=1):
        """The logits of images uint8 [N, *image_shape] in 0..255: float32 [N, classes]."""
        new_graph(seed=0)
        pixels, seen = image_bytes(self.pair.image_shape)
        logits = self.logits(seen)
        with session(threads) as sess:
            self.restore(sess)
            return in_batches(sess, logits, pixels, images)


def open_teacher(path, pair):
    """The teacher in a file; raises RunError where it cannot teach."""
    teacher = TrainedNetwork(path, pair, 'Teacher')
    without = np.flatnonzero(~teacher.templates.any(axis=0))
    if without.size:
        raise RunError('%r: class %d of the teacher has no weights in %s, so it is like no other class; '
                       'give a teacher that was trained on every class' % (path, without[0], pair.last_layer))
    if teacher.classes < 2:
        raise RunError('%r: a teacher of one class has nothing to teach' % path)
    directions = teacher.templates / np.linalg.norm(teacher.templates, axis=0)
    if np.allclose(directions, directions[:, :1], atol=1e-6):
        raise RunError('%r: all classes are alike in %s of the teacher; give a teacher that has been trained'
                       % (path, pair.last_layer))
    return teacher
