"""A frozen graph as a Keras model of Keras' own layers and operations: load_model needs no other code.

Convolutions, dense layers and batch norm become layers with weights. What Keras has no layer for becomes an
operation of keras.ops.
"""
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

ACTIVATIONS = {'Relu': 'relu', 'Relu6': 'relu6', 'Elu': 'elu', 'Sigmoid': 'sigmoid', 'Tanh': 'tanh',
               'Softplus': 'softplus', 'Softmax': 'softmax'}
ARITHMETIC = {'Add': ops.add, 'AddV2': ops.add, 'BiasAdd': ops.add, 'Sub': ops.subtract, 'Mul': ops.multiply,
              'RealDiv': ops.true_divide, 'FloorDiv': ops.floor_divide, 'Maximum': ops.maximum,
              'Minimum': ops.minimum, 'Square': ops.square, 'Rsqrt': ops.rsqrt, 'Sqrt': ops.sqrt,
              'Exp': ops.exp, 'Log': ops.log}
REDUCTIONS = {'Mean': ops.mean, 'Max': ops.max, 'Sum': ops.sum}
OUTPUTS = 'logits', 'probabilities', 'classes'


def keras_model(definition):
    """The keras.Model of a frozen ServingGraph, a GraphDef; its output is a dictionary of OUTPUTS.

    Raises ValueError where the graph has an operation that is not known here, or the model answers otherwise.
    """
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name='')
    sess = tf.compat.v1.Session(graph=graph)  # no context: the layers' variables would go into its graph
    translation = _Translation(graph, sess)
    model = keras.Model(translation.images, {name: translation.found[name] for name in OUTPUTS})
    images = np.random.RandomState(0).randint(0, 256, (8, *translation.images.shape[1:])).astype(np.uint8)
    expected = sess.run('logits:0', {'images:0': images})
    if not np.allclose(model(images)['logits'], expected, rtol=1e-4, atol=1e-4 * max(1, abs(expected).max())):
        raise ValueError('the Keras model does not answer as the graph does')
    return model


class _Translation:
    """The tensors of a graph, translated one by one.

    | attribute | content |
    | --- | --- |
    | images | the model's input |
    | found | {operation name: its output: a KerasTensor, or an array if no image has a part in it} |
    """

    def __init__(self, graph, sess):
        self._sess, self._names, self.found = sess, set(), {}
        for op in graph.get_operations():
            if op.type == 'Placeholder':
                pixels = op.outputs[0]
                self.images = keras.Input(pixels.shape[1:], dtype=pixels.dtype.name, name=op.name)
                self.found[op.name] = self.images
            elif all(self._is_constant(tensor.op) for tensor in op.inputs):
                self.found[op.name] = sess.run(op.outputs[0])
            elif op.name not in self.found:  # a layer before may have taken it in
                self.found[op.name] = self._translated(op)

    def _is_constant(self, op):
        return isinstance(self.found[op.name], (np.ndarray, np.generic, bytes))

    def _translated(self, op):
        result = op.outputs[0]
        inputs = [self.found[tensor.op.name] for tensor in op.inputs]
        # Lengths of axes, by which a Reshape leaves the batch open: its result tells the others.
        if op.type == 'Shape' or result.dtype.is_integer and any(value is None for value in inputs):
            return None
        x, *others = inputs
        if op.type == 'Identity':
            return x
        if op.type == 'Cast' and x is not None:
            return ops.cast(x, result.dtype.name)
        if op.type in ACTIVATIONS:
            return layers.Activation(ACTIVATIONS[op.type])(x)
        if op.type == 'Mul' and self._batch_norm(op):
            return self.found[op.name]
        if op.type in ARITHMETIC:
            return ARITHMETIC[op.type](x, *others)
        if op.type in REDUCTIONS:
            return REDUCTIONS[op.type](x, axis=others[0].tolist(), keepdims=op.get_attr('keep_dims'))
        if op.type == 'ArgMax':
            return ops.cast(ops.argmax(x, axis=int(others[0])), result.dtype.name)
        if op.type == 'GatherV2' and op.get_attr('batch_dims') == 0:
            return ops.take(x, others[0], axis=int(others[1]))
        if op.type == 'Reshape' and result.shape[0] is None and None not in result.shape[1:]:
            return layers.Reshape(result.shape[1:])(x)
        if op.type in ('MaxPool', 'AvgPool'):
            kind = layers.MaxPooling2D if op.type == 'MaxPool' else layers.AveragePooling2D
            return kind(op.get_attr('ksize')[1:3], op.get_attr('strides')[1:3],
                        op.get_attr('padding').decode().lower())(x)
        if op.type == 'Conv2D' and op.get_attr('padding') != b'EXPLICIT':
            kernel, = others
            return self._layer(op, layers.Conv2D, kernel, kernel.shape[3], kernel.shape[:2],
                               strides=op.get_attr('strides')[1:3],
                               dilation_rate=op.get_attr('dilations')[1:3],
                               padding=op.get_attr('padding').decode().lower())
        if op.type == 'MatMul' and self._is_constant(op.inputs[1].op) and not op.get_attr('transpose_a'):
            kernel = others[0].T if op.get_attr('transpose_b') else others[0]
            return self._layer(op, layers.Dense, kernel, kernel.shape[1])
        raise ValueError('a Keras model cannot hold its operation %s (%s); choose saved_model, .pb or .tflite'
                         % (op.type, op.name))

    def _layer(self, op, kind, kernel, *arguments, **options):
        """The output of a layer with that kernel; the bias that is added to it becomes the layer's own."""
        added, bias = self._added(op)
        layer = kind(*arguments, use_bias=added is not None, name=self._name(op), **options)
        result = layer(self.found[op.inputs[0].op.name])
        layer.set_weights([kernel] + [bias] * layer.use_bias)
        if added is not None:
            self.found[added.name] = result
        return result

    def _added(self, op):
        """(the only operation that uses ``op``, the vector that it adds); (None, None) where it adds none."""
        users = op.outputs[0].consumers()
        if len(users) == 1 and users[0].type in ('Add', 'AddV2', 'BiasAdd') and users[0].inputs[0].op is op:
            added = users[0].inputs[1]
            if added.shape == op.outputs[0].shape[-1:] and self._without_images(added.op):
                return users[0], self._sess.run(added)
        return None, None

    def _without_images(self, op):
        return op.type != 'Placeholder' and all(self._without_images(tensor.op) for tensor in op.inputs)

    def _batch_norm(self, op):
        """Translates the product ``op`` and the sum of tf.nn.batch_normalization; False if it is another."""
        added, _ = self._added(op)
        try:  # x * (rsqrt(variance + epsilon) * scale) + (offset - mean * that)
            factor, offset = op.inputs[1].op, added.inputs[1].op
            root, mean = factor.inputs[0].op, offset.inputs[1].op.inputs[0]
            shape = [factor.type, root.type, root.inputs[0].op.type, offset.type, offset.inputs[1].op.type]
            if shape != ['Mul', 'Rsqrt', 'AddV2', 'Sub', 'Mul']:
                return False
            variance, epsilon = root.inputs[0].op.inputs
            weights = self._sess.run([factor.inputs[1], offset.inputs[0], mean, variance])
            epsilon = float(self._sess.run(epsilon))
        except (AttributeError, IndexError):
            return False
        layer = layers.BatchNormalization(epsilon=epsilon, name=self._name(factor))
        self.found[op.name] = self.found[added.name] = layer(self.found[op.inputs[0].op.name])
        layer.set_weights(weights)
        return True

    def _name(self, op):
        """A layer's name: conv0 for the variable Student/conv0/weights; None where that is taken."""
        variable = op.inputs[1].op.name
        if variable.endswith('/read'):
            variable = variable[:-len('/read')]
        name = '_'.join(variable.split('/')[1:-1])
        if not name or name in self._names:
            return None
        self._names.add(name)
        return name
