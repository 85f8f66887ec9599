"""Makes a SavedModel of an ONNX network by onnx2tf, in a process where TensorFlow 2 is whole."""
import contextlib
import io
import os

import numpy as np
import onnx
import onnx2tf
import onnxruntime
import tensorflow as tf

from teachers.formats import ONNX_DATA


def save_as_saved_model(path, folder):
    """Makes a SavedModel of an ONNX network in ``folder``, with channels last and for batches of any size.

    Raises ValueError where that cannot be, or where it answers otherwise than the ONNX network.
    """
    model = onnx.load(path, load_external_data=False)
    weights = model.graph.initializer
    for entry in [entry for tensor in weights for entry in tensor.external_data if entry.key == 'location']:
        if entry.value != os.path.basename(path) + ONNX_DATA:
            raise ValueError('its weights are in %r; save it with external_data=False' % entry.value)
    onnx.load_external_data_for_model(model, os.path.dirname(path))
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
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants.update((node.output[0], node.attribute[0].t) for node in model.graph.node
                     if node.op_type == 'Constant')
    shapes = {}
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
