"""Makes a SavedModel of an ONNX network by onnx2tf, in a process where TensorFlow 2 is whole."""
import contextlib
import io
import os
from typing import NamedTuple

import numpy as np
import onnx
import onnx2tf
import onnxruntime
import tensorflow as tf

from teachers.formats import ONNX_DATA


class BatchNorm(NamedTuple):
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, a number per channel."""
    scale: np.ndarray
    offset: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    epsilon: float

    def is_as(self, factor, offset):
        """Whether it is x * factor + offset."""
        own = self.scale / np.sqrt(self.variance + self.epsilon)
        return factor.shape[-1:] == own.shape and all(
            found.size == wanted.size and np.allclose(found, wanted, rtol=1e-4, atol=1e-5)
            for found, wanted in ((factor, own), (offset, self.offset - self.mean * own)))


def read_model(path):
    """The network in an ONNX file. Raises ValueError where its weights are neither in it nor beside it."""
    model = onnx.load(path, load_external_data=False)
    weights = model.graph.initializer
    for entry in [entry for tensor in weights for entry in tensor.external_data if entry.key == 'location']:
        if entry.value != os.path.basename(path) + ONNX_DATA:
            raise ValueError('its weights are in %r; save it with external_data=False' % entry.value)
    onnx.load_external_data_for_model(model, os.path.dirname(path))
    return model


def save_as_saved_model(model, folder):
    """Makes a SavedModel of an ONNX network in ``folder``, with channels last and for batches of any size.

    Raises ValueError where that cannot be, or where it answers otherwise than the ONNX network.
    """
    content, said = model.SerializeToString(), io.StringIO()
    # Images without an axis of channels stay as they are.
    grey = [tensor.name for tensor in model.graph.input if len(tensor.type.tensor_type.shape.dim) == 3]
    try:
        with contextlib.redirect_stdout(said):
            onnx2tf.convert(onnx_graph=_for_any_batch(model), output_folder_path=folder,
                            output_signaturedefs=True, non_verbose=True,
                            keep_shape_absolutely_input_names=grey)
    except ModuleNotFoundError as error:
        if not str(error.name).startswith('onnx2tf.ops.'):
            raise
        raise ValueError('onnx2tf has no operation %s' % error.name.split('.')[-1]) from error
    except SystemExit as error:  # it has printed why
        lines = [line for line in said.getvalue().split('\n') if 'ERROR' in line]
        raise ValueError('onnx2tf: ' + (lines or ['it gives no reason'])[0]) from error
    _check_same(content, folder)


def _check_same(content, folder):
    """Raises ValueError where a SavedModel answers noise otherwise than the ONNX network of these bytes.

    Compared are vectors of float32, such as logits. What cannot be run here is not compared: where the graph
    is opened, a line says what is wrong with its inputs.
    """
    try:
        network = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
        images, = network.get_inputs()
        batch, *sizes = images.shape
        noise = np.random.RandomState(0).uniform(size=[batch if isinstance(batch, int) else 1, *sizes])
        answers = network.run(None, {images.name: noise.astype(np.float32)})
        turned = np.moveaxis(noise, 1, -1) if noise.ndim == 4 else noise
        function = tf.saved_model.load(folder).signatures['serving_default']
        found = [output.numpy().ravel() for output in function(tf.constant(turned, tf.float32)).values()]
    except Exception:  # of two libraries
        return
    for output in answers:
        is_vector = (isinstance(output, np.ndarray) and output.dtype == np.float32
                     and output.size == len(noise) * max(output.shape[1:], default=1))
        if is_vector and np.isfinite(output).all() and not any(
                other.size == output.size
                and np.allclose(other, output.ravel(), rtol=0, atol=1e-2 * np.abs(output).max())
                for other in found):
            raise ValueError('onnx2tf makes of it a network that answers otherwise')


def _for_any_batch(model):
    """An ONNX model for batches of any size: one that was saved for one image has a 1 in its shapes."""
    model = onnx.shape_inference.infer_shapes(model)
    constants, shapes = _constants(model), {}
    for tensor in [*model.graph.input, *model.graph.value_info, *model.graph.output]:
        axes = tensor.type.tensor_type.shape.dim
        shapes[tensor.name] = [axis.dim_value for axis in axes]
        if tensor.name not in constants and axes and axes[0].dim_value == 1:
            axes[0].dim_param = 'batch'
    for node in model.graph.node:
        shape = constants.get(node.input[1]) if node.op_type == 'Reshape' else None
        lengths = shapes.get(node.output[0])
        if shape is not None and lengths and lengths[0] == 1 and all(lengths):
            numbers = np.array([-1, *lengths[1:]], np.int64)
            shape.CopyFrom(onnx.numpy_helper.from_array(numbers, shape.name))
    return model


def _constants(model):
    """{name: TensorProto} of what an ONNX network holds."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants.update((node.output[0], node.attribute[0].t) for node in model.graph.node
                     if node.op_type == 'Constant')
    for node in model.graph.node:  # PyTorch keeps equal weights once, and passes them on
        if node.op_type == 'Identity' and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    return constants


def with_batch_norms(model, graph):
    """The frozen graph of an ONNX network with its batch norms, which onnx2tf makes products and sums."""
    norms, nodes, values = _batch_norms(model), {node.name: node for node in graph.node}, {}
    ends = sorted({*nodes} - {name for node in graph.node for name in node.input})
    with tf.Graph().as_default() as built:
        tf.graph_util.import_graph_def(graph, name='')
    for node in graph.node:  # what is passed on comes later
        if node.op == 'Const':
            values[node.name] = tf.make_ndarray(node.attr['value'].tensor)
        elif node.op == 'Identity' and node.input[0] in values:
            values[node.name] = values[node.input[0]]
    for node in [node for node in graph.node if node.op == 'AddV2']:
        product, offset = _apart(node, values)
        if product not in nodes or nodes[product].op != 'Mul':
            continue
        x, factor = _apart(nodes[product], values)
        norm = next((norm for norm in norms if x and norm.is_as(factor, offset)), None)
        if norm and built.get_operation_by_name(node.name).outputs[0].shape.ndims == 4:  # of images
            _make_batch_norm(graph, node, x, norm)
    return tf.compat.v1.graph_util.extract_sub_graph(graph, ends)


def _batch_norms(model):
    """The BatchNorms of an ONNX network whose numbers are in it."""
    constants = _constants(model)
    return [BatchNorm(*(onnx.numpy_helper.to_array(constants[name]).astype(np.float32)
                        for name in node.input[1:]),
                      next((entry.f for entry in node.attribute if entry.name == 'epsilon'), 1e-5))
            for node in model.graph.node
            if node.op_type == 'BatchNormalization' and {*node.input[1:]} <= {*constants}]


def _apart(node, values):
    """(the input that is no constant, the value of the other) of a node, or (None, None)."""
    constants = [name for name in node.input if name in values]
    others = [name for name in node.input if name not in values]
    return (others[0], values[constants[0]]) if len(constants) == len(others) == 1 else (None, None)


def _make_batch_norm(graph, node, x, norm):
    """Makes of a node the batch norm of the tensor ``x``."""
    node.op, node.input[:] = 'FusedBatchNormV3', [x]
    for name, value in zip(norm._fields[:4], norm):
        constant = graph.node.add(op='Const', name='%s/%s' % (node.name, name))
        constant.attr['dtype'].type = tf.float32.as_datatype_enum
        constant.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
        node.input.append(constant.name)
    node.attr['U'].type = tf.float32.as_datatype_enum
    node.attr['epsilon'].f, node.attr['data_format'].s = norm.epsilon, b'NHWC'
    node.attr['is_training'].b = False
