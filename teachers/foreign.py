"""A teacher that is a graph of its own, not a network of a pair."""
import numpy as np

from nets.layers import STATISTICS
from teachers import ending
from teachers.formats import digest_of, format_of
from teachers.freeze import first_line, frozen_graph
from utils.files import RunError
from utils.graph_mode import answers_of, session, tf
from utils.images import by_x

SCOPE = 'Graph'
SAID = {'Softmax': 'softmax', 'LogSoftmax': 'log-softmax', 'Relu': 'ReLU', 'Relu6': 'ReLU'}


class ForeignNetwork:
    """The network of a SavedModel, a Keras model or a frozen graph, with weights that are its constants.

    Its attributes and methods are those of TrainedNetwork in teachers/trained.py, but for ``role``;
    its ``pair`` is None.
    """
    description = 'a network of its own'

    def __init__(self, path, image_shape, options):
        """image_shape: (height, width, channels) where the graph leaves them open; options: a TeacherOptions.

        Raises RunError where the graph is not differentiable, takes more than images, or does not end in one
        classifier.
        """
        self.path, self.digest, self.options = path, digest_of(path), options
        self._graph = frozen_graph(path, format_of(path))
        self.pair, self.unit = None, 1.0
        with tf.Graph().as_default() as graph:
            self._import(self._graph)
            self._logits, self._features = self._ending(graph)
            self._input, self.image_shape = self._beginning(graph, image_shape)
        options.check(self.image_shape[2])
        self._graph = tf.graph_util.extract_sub_graph(self._graph, [self._logits.split(':')[0]])
        self.last_layer = self._logits.split(':')[0]
        self._norms = self._batch_norms()
        self.classes = self._try()
        self.templates = self._class_templates()

    def logits(self, images, plain=False):
        """Logits [B, classes] of images float32 [B, *image_shape] in [0, 1], in the default graph.

        The statistics of its batch norms are added to the collection STATISTICS. plain: no matter here.
        """
        logits, _, *norms = self._imported(images, [name for norm in self._norms for name in norm])
        for i in range(0, len(norms), 3):
            tf.add_to_collection(STATISTICS, tuple(norms[i:i + 3]))
        logits = tf.cast(tf.reshape(logits, [-1, self.classes]), tf.float32)
        return logits if self.unit == 1 else logits / self.unit

    def _imported(self, images, names=()):
        """The tensors in the default graph for these images: logits, features, and those of ``names``."""
        scaled = tf.cast(self.options.scaled(images), self._input_type)
        if self._three_axes:
            scaled = scaled[..., 0]
        found = self._import(self._graph, {self._input: scaled}, [self._logits, self._features, *names])
        return [scaled if name == self._input else tensor
                for name, tensor in zip([self._logits, self._features, *names], found)]

    def restore(self, sess):
        """Nothing: the weights are constants of the graph."""

    def answers(self, images, threads=1, device='cpu'):
        """The logits of images uint8 [N, *image_shape] in 0..255: float32 [N, classes]."""
        return answers_of(self, images, threads, device)

    def _import(self, graph, *arguments):
        try:
            return tf.import_graph_def(graph, *arguments, name=SCOPE)
        except Exception as error:  # an unknown operation, or shapes that do not go together
            raise RunError('%r: its graph cannot be built: %s; save it for use (Keras: learning phase 0) '
                           'with TensorFlow %s' % (self.path, first_line(error), tf.__version__)) from error

    def _tensor(self, graph, name, flag):
        try:
            return graph.get_tensor_by_name('%s/%s' % (SCOPE, name if ':' in name else name + ':0'))
        except (KeyError, ValueError) as error:
            raise RunError('%r has no tensor %r; give the name of one with --%s'
                           % (self.path, name, flag)) from error

    def _ending(self, graph):
        """(name of the logits, of the features from which on the network is affine)."""
        if self.options.logits:
            ends = [self._tensor(graph, self.options.logits, 'teacher_logits')]
        else:
            ends = [output for operation in graph.get_operations() for output in operation.outputs
                    if operation.type not in ('Const', 'Placeholder')
                    and not any(other.consumers() for other in operation.outputs)]
        images = self._tensor(graph, self.options.input, 'teacher_input') if self.options.input else None
        found, refused, vary = {}, None, ending.varying(graph)
        for end in ends:
            logits, stepped_over = ending.logits_before(end)
            features = ending.features_of(logits, images, vary)
            if features is logits:
                refused = '%s is a %s' % (_bare(logits.op.name), logits.op.type)
            else:
                found[logits.name] = logits, features, stepped_over
        if len(found) != 1:
            several = 'found: ' + ', '.join(map(_bare, sorted(found))) if found else 'it has no end'
            raise RunError('%r does not end in one classifier (%s); name its logits with --teacher_logits: '
                           'those of a dense layer, or of a convolution and means'
                           % (self.path, refused if refused and not found else several))
        (logits, features, stepped_over), = found.values()
        for kind in sorted(set(stepped_over) - {'ArgMax'}):
            print('%r: a %s in the graph: the logits before it are taken, %s'
                  % (self.path, SAID.get(kind, kind), _bare(logits.op.name)))
        return _bare(logits.name), _bare(features.name)

    def _beginning(self, graph, image_shape):
        """(name of the tensor that takes the images, (height, width, channels))."""
        if self.options.input:
            images = self._tensor(graph, self.options.input, 'teacher_input')
        else:
            needed = _needed(graph.get_tensor_by_name('%s/%s' % (SCOPE, self._logits)).op)
            inputs = {op.name: op for op in needed if op.type == 'Placeholder'}
            if len(inputs) != 1:
                raise RunError('%r takes %d inputs%s, not images alone; freeze it for use (training off), or '
                               'name the tensor that takes the images with --teacher_input'
                               % (self.path, len(inputs), ' '.join(map(_bare, ['', *sorted(inputs)]))))
            images = next(iter(inputs.values())).outputs[0]
        if not images.dtype.is_floating:
            raise RunError('%r: its input %s takes %s, through which there is no gradient; name the tensor '
                           'behind its cast with --teacher_input'
                           % (self.path, _bare(images.name), images.dtype.base_dtype.name))
        shape = images.shape.as_list() if images.shape.ndims is not None else [None] + [None] * 3
        self._three_axes = len(shape) == 3  # grey images without an axis of channels
        if self._three_axes:
            shape = shape + [1]
        if len(shape) != 4:
            raise RunError('%r: its input %s has the shape %s, not [batch, height, width, channels] or '
                           '[batch, height, width]; name another with --teacher_input'
                           % (self.path, _bare(images.name), images.shape))
        self._input_type = images.dtype.base_dtype
        shape = tuple(n or given for n, given in zip(shape[1:], image_shape or [None] * 3))
        if None in shape:
            raise RunError('%r leaves the size of its images open; give it as IMAGE_SHAPE in the file of '
                           '--nets' % self.path)
        if shape[2] not in (1, 3):
            raise RunError('%r takes images [batch, %d, %d, %d], and the last axis must be 1 or 3 channels; '
                           'save the network with channels last' % ((self.path,) + shape))
        return _bare(images.name), shape

    def _batch_norms(self):
        """[(input, mean, variance)] of its batch norms, the names of tensors."""
        with tf.Graph().as_default() as graph:
            self._import(self._graph)
            return [tuple(_bare(tensor.name) for tensor in norm)
                    for norm in ending.batch_norms(graph, ending.varying(graph))]

    def _class_templates(self):
        """float32 [features, classes], a template per column."""
        with tf.Graph().as_default(), session(1) as sess:
            images = tf.placeholder(tf.float32, [None, *self.image_shape])
            logits, features, *_ = self._imported(images)
            logits = tf.reshape(logits, [-1, self.classes])
            noise = np.random.RandomState(0).uniform(size=(2,) + self.image_shape)
            answers, values = sess.run([logits, features], {images: noise})
            templates = ending.jacobian(sess, logits, features, values) if len(values) == 2 else None
        if templates is None or not np.allclose(
                np.diff(values.reshape(2, -1), axis=0) @ templates, np.diff(answers, axis=0),
                rtol=1e-2, atol=1e-2 * np.abs(answers).max()):
            raise RunError('%r: its logits %s mix the images of a batch; name others with --teacher_logits'
                           % (self.path, self._logits))
        if not np.isfinite(templates).all():
            raise RunError('%r: the weights of %s contain NaN or infinity; train the teacher again'
                           % (self.path, self.last_layer))
        return templates

    def _try(self):
        """Runs the network on noise, forwards and backwards; returns the number of classes."""
        with tf.Graph().as_default(), session(1) as sess:
            images = tf.constant(np.random.RandomState(0).uniform(size=(2,) + self.image_shape), tf.float32)
            logits = self._imported(images)[0]
            try:
                gradient, = tf.gradients(logits, images)
            except LookupError as error:
                raise RunError('%r is not differentiable: %s; give a network without that operation'
                               % (self.path, first_line(error))) from error
            if gradient is None:
                raise RunError('%r: its logits do not depend on its input in a differentiable way; name '
                               'another with --teacher_input' % self.path)
            try:
                first, again, slope = sess.run(logits), sess.run(logits), sess.run(gradient)
            except tf.errors.OpError as error:
                raise RunError('%r cannot be run on two images: %s; save it for batches of any size and '
                               'without other inputs' % (self.path, first_line(error.message))) from error
        if not (np.isfinite(first).all() and np.isfinite(slope).all()):
            raise RunError('%r answers noise with NaN or infinity; look at its weights and --teacher_scale'
                           % self.path)
        if first.ndim < 2 or first.shape[0] != 2 or sum(length > 1 for length in first.shape[1:]) > 1:
            raise RunError('%r gives logits %s for two images; name others with --teacher_logits'
                           % (self.path, by_x(first.shape)))
        if (first != again).any():
            raise RunError('%r answers the same images differently each time, so it is a network in '
                           'training; save it for use (dropout off)' % self.path)
        return first.size // 2


def _needed(operation):
    """All operations that lead to one, and itself."""
    found, waiting = set(), [operation]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [tensor.op for tensor in operation.inputs]
    return found


def _bare(name):
    """A name in the file's graph."""
    return name[len(SCOPE) + 1:] if name.startswith(SCOPE + '/') else name
