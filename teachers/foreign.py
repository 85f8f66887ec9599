"""A teacher that is a graph of its own, not a network of a pair."""
import numpy as np

from teachers.formats import digest_of, format_of
from teachers.freeze import first_line, frozen_graph
from utils.files import RunError
from utils.graph_mode import answers_of, session, tf

SCOPE = 'Graph'
ADDITIONS = 'BiasAdd', 'Add', 'AddV2'
PASSED_ON = 'Identity', 'IdentityN', 'Reshape', 'Squeeze', 'Cast', 'EnsureShape', 'StopGradient'
AFTER_LOGITS = 'Softmax', 'LogSoftmax', 'ArgMax'


class ForeignNetwork:
    """The network of a SavedModel, a Keras model or a frozen graph, with weights that are its constants.

    Its attributes and methods are those of TrainedNetwork in teachers/trained.py, but for ``role``;
    its ``pair`` is None.
    """
    description = 'a network of its own'

    def __init__(self, path, image_shape, options):
        """image_shape: (height, width, channels) where the graph leaves them open; options: a TeacherOptions.

        Raises RunError where the graph is not differentiable, takes more than images, or does not end in a
        dense layer.
        """
        self.path, self.digest, self.options = path, digest_of(path), options
        self._graph = frozen_graph(path, format_of(path))
        self.pair, self.unit = None, 1.0
        with tf.Graph().as_default() as graph:
            self._import(self._graph)
            self._logits, self.last_layer, self.templates = self._ending(graph)
            self._input, self.image_shape = self._beginning(graph, image_shape)
        self.classes = self.templates.shape[1]
        options.check(self.image_shape[2])
        self._graph = tf.graph_util.extract_sub_graph(self._graph, [self._logits.split(':')[0]])
        self._try()

    def logits(self, images, plain=False):
        """Logits [B, classes] of images float32 [B, *image_shape] in [0, 1], in the default graph.

        plain: no matter here.
        """
        scaled = tf.cast(self.options.scaled(images), self._input_type)
        logits, = self._import(self._graph, {self._input: scaled}, [self._logits])
        logits = tf.cast(tf.reshape(logits, [-1, self.classes]), tf.float32)
        return logits if self.unit == 1 else logits / self.unit

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
        """(name of the logits, of the matrix product that gives them, the matrix [features, classes])."""
        if self.options.logits:
            ends = [self._tensor(graph, self.options.logits, 'teacher_logits')]
        else:
            ends = [output for operation in graph.get_operations() for output in operation.outputs
                    if not output.consumers() and operation.type not in ('Const', 'Placeholder')]
        found, refused = {}, None
        for end in ends:
            logits, softmax, reason = _last_dense(end)
            if logits is None:
                refused = reason
            else:
                found[logits.name] = logits, softmax
        if len(found) != 1:
            several = 'found: ' + ', '.join(map(_bare, sorted(found))) if found else 'it has no end'
            raise RunError('%r does not end in one dense layer (%s); name its logits with --teacher_logits'
                           % (self.path, refused or several))
        (logits, softmax), = found.values()
        if softmax:
            print('%r: a softmax in the graph: the logits before it are taken, %s'
                  % (self.path, _bare(logits.op.name)))
        product = logits.op if logits.op.type == 'MatMul' else _product_of_sum(logits.op)
        templates = np.array(_constant(product.inputs[1]), np.float32)
        if product.get_attr('transpose_b'):
            templates = templates.T
        if not np.isfinite(templates).all():
            raise RunError('%r: the weights of %s contain NaN or infinity; train the teacher again'
                           % (self.path, _bare(product.name)))
        return _bare(logits.name), _bare(product.name), templates

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
        if len(shape) != 4:
            raise RunError('%r: its input %s has the shape %s, not [batch, height, width, channels]; name '
                           'another with --teacher_input' % (self.path, _bare(images.name), images.shape))
        self._input_type = images.dtype.base_dtype
        shape = tuple(n or given for n, given in zip(shape[1:], image_shape))
        if shape[2] not in (1, 3):
            raise RunError('%r takes images [batch, %d, %d, %d], and the last axis must be 1 or 3 channels; '
                           'save the network with channels last' % ((self.path,) + shape))
        return _bare(images.name), shape

    def _try(self):
        """Runs the network on noise, forwards and backwards."""
        with tf.Graph().as_default(), session(1) as sess:
            images = tf.constant(np.random.RandomState(0).uniform(size=(2,) + self.image_shape), tf.float32)
            logits = self.logits(images)
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
        if len(first) != 2:
            raise RunError('%r gives %d rows of logits for two images; name others with --teacher_logits'
                           % (self.path, len(first)))
        if (first != again).any():
            raise RunError('%r answers the same images differently each time, so it is a network in '
                           'training; save it for use (dropout off)' % self.path)


def _last_dense(tensor):
    """(logits, whether a softmax was stepped over, '') of what leads to ``tensor``, or (None, False, why)."""
    softmax = False
    while True:
        operation = tensor.op
        if operation.type == 'MatMul' or _product_of_sum(operation) is not None:
            product = operation if operation.type == 'MatMul' else _product_of_sum(operation)
            if _constant(product.inputs[1]) is None:
                return None, False, 'the matrix of %s is no constant' % _bare(product.name)
            return tensor, softmax, ''
        if operation.type in AFTER_LOGITS:
            softmax = softmax or operation.type != 'ArgMax'
        elif operation.type not in PASSED_ON:
            return None, False, '%s is a %s' % (_bare(operation.name), operation.type)
        tensor = operation.inputs[0]


def _product_of_sum(operation):
    """The matrix product to which an operation adds a constant; None if it does something else."""
    if operation.type not in ADDITIONS:
        return None
    one, other = operation.inputs
    for product, bias in ((one, other), (other, one)):
        while product.op.type == 'Identity':
            product = product.op.inputs[0]
        if product.op.type == 'MatMul' and _constant(bias) is not None:
            return product.op
    return None


def _constant(tensor):
    """The value of a constant, which may be passed on or cast; None for any other tensor."""
    operation = tensor.op
    if operation.type in ('Identity', 'Cast'):
        return _constant(operation.inputs[0])
    return tf.make_ndarray(operation.get_attr('value')) if operation.type == 'Const' else None


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
