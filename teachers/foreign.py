"""A teacher that is a graph of its own, not a network of a pair."""
import numpy as np

from nets.layers import STATISTICS
from teachers import beginning, ending
from teachers.formats import digest_of, full_name
from teachers.freeze import first_line, frozen_graph
from teachers.weights import weights_in
from utils.files import RunError
from utils.graph_mode import answers_of, session, tf

SCOPE = 'Graph'
SAID = {'Softmax': 'softmax', 'LogSoftmax': 'log-softmax', 'Relu': 'ReLU', 'Relu6': 'ReLU',
        'Sigmoid': 'sigmoid'}


class UnreadableGraph(RunError):
    """The graph in a file cannot be used here. The weights beside it may be."""


class ForeignNetwork:
    """The network of a SavedModel, Keras model, frozen graph or ONNX file; its weights are its constants.

    Its attributes and methods are those of TrainedNetwork in teachers/trained.py, but for ``role``;
    its ``pair`` is None.
    """
    def __init__(self, path, image_shape, options):
        """image_shape: (height, width, channels) where the graph leaves them open; options: a TeacherOptions.

        Raises RunError where the graph is not differentiable, takes more than images, or does not end in one
        classifier. Of these UnreadableGraph where it cannot be built, or takes bytes or more than images.
        """
        self.path, self.digest, self.options = path, digest_of(path), options
        try:
            self._graph = frozen_graph(path)
        except RunError as error:
            raise UnreadableGraph(error) from error
        self.pair, self.unit = None, 1.0
        with tf.Graph().as_default() as graph:
            self._import(self._graph)
            self._logits, self._features = self._ending(graph)
            self.last_layer = self._logits.split(':')[0]
            self._graph = tf.graph_util.extract_sub_graph(self._graph, [self.last_layer])
            self._input, self.image_shape, switches = self._beginning(graph, image_shape)
        options.check(self.image_shape[2])
        try:
            self._graph, self._outputs = beginning.tried(path, self._graph, switches, self.image_shape,
                                                         self._logits_of)
        except RunError as error:  # the weights beside inputs that no value suits may be of a pair
            raise (UnreadableGraph if switches else RunError)(error) from error
        self._norms, self.weights = self._batch_norms(), weights_in(self._graph)
        self.description = ('a network of its own, %d weights, %d batch norms'
                            % (self.weights, len(self._norms)))
        self.classes = max(2, self._outputs)
        if self._outputs == 1:
            print('%r: its one output is the logit of class 1 against class 0' % path)
        self.templates = self._class_templates()

    def logits(self, images, plain=False):
        """Logits [B, classes] of images float32 [B, *image_shape] in [0, 1], in the default graph.

        The statistics of its batch norms are added to the collection STATISTICS. plain: no matter here.
        """
        logits, _, *norms = self._imported(images, [name for norm in self._norms for name in norm])
        for i in range(0, len(norms), 3):
            tf.add_to_collection(STATISTICS, tuple(tf.cast(each, tf.float32) for each in norms[i:i + 3]))
        logits = tf.cast(self._by_class(logits), tf.float32)
        return logits if self.unit == 1 else logits / self.unit

    def _logits_of(self, graph, images):
        return self._imported(images, graph=graph)[0]

    def _imported(self, images, names=(), graph=None):
        """The tensors in the default graph for these images: logits, features, and those of ``names``."""
        scaled = tf.cast(self.options.scaled(images), self._input_type)
        if self._axes == 3:
            scaled = scaled[..., 0]
        elif self._axes == 2:
            scaled = tf.reshape(scaled, [-1, int(np.prod(self.image_shape))])
        names = [self._logits, self._features, *names]
        found = self._import(graph or self._graph, {self._input: scaled}, names)
        return [scaled if name == self._input else tensor for name, tensor in zip(names, found)]

    def _by_class(self, logits):
        """[B, classes] of what the graph gives.

        A sigmoid of one number z is the softmax of -z/2 and z/2.
        """
        logits = tf.reshape(logits, [-1, self._outputs])
        return logits if self._outputs > 1 else logits * tf.constant([[-0.5, 0.5]], logits.dtype)

    def restore(self, sess):
        """Nothing: the weights are constants of the graph."""

    answers = answers_of

    def _import(self, graph, *arguments):
        try:
            return tf.import_graph_def(graph, *arguments, name=SCOPE)
        except Exception as error:  # an unknown operation, or shapes that do not go together
            raise UnreadableGraph('%r: its graph cannot be built: %s; save it for use (Keras: learning phase '
                                  '0) with TensorFlow %s'
                                  % (self.path, first_line(error), tf.__version__)) from error

    def _tensor(self, graph, name, flag):
        try:
            return graph.get_tensor_by_name('%s/%s' % (SCOPE, full_name(name)))
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
        vary = ending.varying(graph, images)
        if not vary:
            raise self._no_single_input([])
        found, refused, tags = {}, None, False
        for end in ends:
            logits, stepped_over = ending.logits_before(end)
            if not logits.dtype.is_floating:
                refused = refused or '%s holds whole numbers' % _bare(logits.op.name)
                continue
            features = ending.features_of(logits, images, vary)
            if features is logits:
                tags = tags or logits.op.type == 'Sigmoid'
                refused = ' '.join(['%s is a %s of' % (_bare(logits.op.name), logits.op.type),
                                    *(_bare(tensor.name) for tensor in logits.op.inputs)])
            else:
                before = found.get(logits.name, (logits, features, []))[2]
                found[logits.name] = logits, features, before + stepped_over
        # Beside tags, only a softmax says that what is before it are logits.
        if len(found) != 1 or tags and not {'Softmax', 'LogSoftmax'} & set(list(found.values())[0][2]):
            several = 'found: ' + ', '.join(map(_bare, sorted(found))) if found else 'it has no end'
            raise RunError('%r does not end in one classifier (%s); name its logits with --teacher_logits: '
                           'those of a dense layer, or of a convolution and means'
                           % (self.path, refused if refused and len(found) < 2 else several))
        (logits, features, stepped_over), = found.values()
        for kind in sorted(set(stepped_over) - {'ArgMax'}):
            print('%r: a %s in the graph: the logits before it are taken, %s'
                  % (self.path, SAID.get(kind, kind), _bare(logits.op.name)))
        return _bare(logits.name), _bare(features.name)

    def _no_single_input(self, inputs):
        return UnreadableGraph('%r takes %d inputs%s, not images alone; freeze it for use (training off), or '
                               'name the tensor that takes the images with --teacher_input'
                               % (self.path, len(inputs), ' '.join(['', *inputs])))

    def _beginning(self, graph, image_shape):
        """(name of the tensor that takes the images, (height, width, channels), names of other inputs).

        Other inputs are numbers: how much dropout keeps, or whether the network is in training.
        """
        inputs = sorted(node.name for node in self._graph.node if node.op == 'Placeholder')
        numbers = [name for name in inputs if _is_number(self._tensor(graph, name, 'teacher_input'))]
        name = self.options.input
        if not name:
            several = [name for name in inputs if name not in numbers] or inputs
            if len(several) != 1:
                raise self._no_single_input(inputs)
            name, = several
        images = self._tensor(graph, name, 'teacher_input')
        if not images.dtype.is_floating:
            cast = ending.cast_to_float(images)
            raise UnreadableGraph('%r: its input %s takes %s, through which there is no gradient; name the '
                                  'tensor behind its cast with --teacher_input%s --teacher_scale 0 255'
                                  % (self.path, _bare(images.name), images.dtype.base_dtype.name,
                                     ' ' + _bare(cast.name) if cast is not None else ''))
        self._axes, self._input_type = images.shape.ndims, images.dtype.base_dtype
        shape = beginning.check_image_shape(self.path, _bare(images.op.name), images.shape, image_shape)
        return _bare(images.name), shape, [name for name in numbers if name != _bare(images.op.name)]

    def _batch_norms(self):
        """[(input, mean, variance)] of its batch norms, the names of tensors."""
        with tf.Graph().as_default() as graph:
            self._import(self._graph)
            vary = ending.varying(graph, self._tensor(graph, self._input, 'teacher_input'))
            return [tuple(_bare(tensor.name) for tensor in norm) for norm in ending.batch_norms(graph, vary)]

    def _class_templates(self):
        """float32 [features, classes], a template per column."""
        with tf.Graph().as_default(), session(1) as sess:
            images = tf.placeholder(tf.float32, [None, *self.image_shape])
            logits, features, *_ = self._imported(images)
            logits = self._by_class(logits)
            noise = np.random.RandomState(0).uniform(size=(2,) + self.image_shape)
            noise[1] /= 4  # so that its answers are others, but for the sum of probabilities
            answers, values = sess.run([logits, features], {images: noise})
            templates = ending.jacobian(sess, logits, features, values) if len(values) == 2 else None
        if templates is None or not np.allclose(
                np.diff(values.reshape(2, -1), axis=0) @ templates, np.diff(answers, axis=0),
                rtol=1e-2, atol=1e-2 * np.abs(answers).max()):
            raise RunError('%r: its logits %s mix the images of a batch; name others with --teacher_logits'
                           % (self.path, self._logits))
        sums = answers.sum(axis=1)
        if self._outputs > 1 and (answers >= 0).all() and sums.any() and np.allclose(*sums, rtol=1e-3):
            raise RunError('%r: its outputs %s are probabilities; name its logits with --teacher_logits'
                           % (self.path, self._logits))
        if not np.isfinite(templates).all():
            raise RunError('%r: the weights of %s contain NaN or infinity; train the teacher again'
                           % (self.path, self.last_layer))
        return templates


def _is_number(tensor):
    """Whether an input may be one number, or False; a text such as a file's content is none."""
    kind = tensor.dtype.base_dtype
    return not tensor.shape.ndims and (kind.is_floating or kind.is_integer or kind == tf.bool)


def _bare(name):
    """A name in the file's graph."""
    return name[len(SCOPE) + 1:] if name.startswith(SCOPE + '/') else name
