"""Makes a frozen graph of a SavedModel, Keras or ONNX model: the network for use, its variables constants.

Models of TensorFlow 2 need its eager mode, and the rest of this project runs without. So there

    python -m teachers.freeze MODEL GRAPH.pb

does it in a process of its own.
"""
import contextlib
import functools
import importlib.util
import os
import re
import shutil
import sys
import tempfile

from teachers.formats import VARIABLES, digest_of, format_of, plain_path
from teachers.safety import check_graph, check_layers, check_saved_functions
from teachers.weights import keras_config, read_graph, read_meta_graph, read_weights
from utils.console import DEBUG
from utils.files import RunError

WAY_OUT = 'give a SavedModel or a frozen graph, made where it was trained, or the weights of a pair'
IN_TRAINING = ('its use changes this variable, as in training; save it for use, or give its .keras file: '
               'Keras 3 exports random layers as they are in training')


def frozen_graph(path):
    """The GraphDef of a file with a network in it, not to be changed.

    A process makes it once for as long as the content stays. Raises RunError where there is none, or where it
    holds what no network needs.
    """
    return _frozen_graph(path, format_of(path), digest_of(path))


@functools.lru_cache(maxsize=2)
def _frozen_graph(path, file_format, digest):
    if file_format == 'pb':
        graph = read_graph(path)
    elif file_format == 'onnx':
        graph = _of_onnx(path)
    elif file_format == 'saved_model':
        graph = _of_saved_model(path, read_meta_graph(path))
    else:
        graph = _of_keras(path, file_format)
    check_graph(path, graph)
    _for_any_machine(graph)
    for node in graph.node:  # it names a gradient that was registered in the process that made the graph
        if '_gradient_op_type' in node.attr:
            del node.attr['_gradient_op_type']
    return graph


def _for_any_machine(graph):
    """Leaves out which device an operation was on."""
    for nodes in [graph.node, *[function.node_def for function in graph.library.function]]:
        for node in nodes:
            node.device = ''


def _of_saved_model(path, meta_graph):
    from utils.graph_mode import TF1
    if TF1:
        library = meta_graph.graph_def.library.function
        if any(function.signature.name.startswith('__inference') for function in library):
            raise RunError('%r: TensorFlow 1 reads no SavedModel of TensorFlow 2; use TensorFlow 2' % path)
        return _by_session(path, meta_graph)
    if not meta_graph.object_graph_def.nodes:
        return _by_session(path, meta_graph)
    check_saved_functions(path, meta_graph)
    return _by_tensorflow_2(path)


def _of_onnx(path):
    from utils.graph_mode import TF1
    if TF1:
        raise RunError('%r: ONNX is read with TensorFlow 2 alone; use it, or give another format' % path)
    if importlib.util.find_spec('onnx2tf') is None:
        raise RunError('%r: onnx2tf is not installed here; pip install -r requirements-onnx.txt' % path)
    return _by_tensorflow_2(path)


def _of_keras(path, file_format):
    from utils.graph_mode import TF1, session, tf
    config = keras_config(path)
    check_layers(path, config)
    if not TF1:
        return _by_tensorflow_2(path, '.' + file_format)
    if file_format == 'keras':
        raise RunError('%r: TensorFlow 1 reads the weights of a .keras file, not its network; save it as '
                       '.h5, or use TensorFlow 2' % path)
    try:
        with tf.Graph().as_default() as graph, session(1) as sess:
            tf.keras.backend.set_session(sess)
            tf.keras.backend.set_learning_phase(0)
            # Not load_model: that of TensorFlow 1 fails with the version of h5py that it asks for. Recurrent
            # layers are unrolled: no gradient leads through a frozen loop.
            model = tf.keras.models.model_from_json(config.replace('"unroll": false', '"unroll": true'))
            model.set_weights(list(read_weights(path).values()))
            return _with_constants(sess, graph.as_graph_def(), [output.name for output in model.outputs])
    except Exception as error:  # whatever a model of another version may bring about
        raise RunError(_cannot(path, error)) from error


def _by_tensorflow_2(path, suffix=None):
    """suffix: what Keras wants at the end of the name of such a file."""
    from utils.graph_mode import run_in_eager_mode
    place = plain_path(path) if os.path.isdir(path) else contextlib.nullcontext(path)
    with tempfile.TemporaryDirectory() as folder, place as model:
        graph, model = os.path.join(folder, 'graph.pb'), os.path.abspath(model)
        if suffix:
            model = os.path.join(folder, 'model' + suffix)
            shutil.copyfile(path, model)
        failed = run_in_eager_mode('teachers.freeze', model, graph)
        if failed:
            raise RunError(_cannot(path, failed))
        return read_graph(graph)


def _cannot(path, reason):
    reason = first_line(reason)
    way_out = IN_TRAINING if re.search(r'/Assign\w* was passed', reason) else WAY_OUT
    return '%r cannot be used as a network: %s; %s' % (path, reason, way_out)


def first_line(reason):
    """The first line of what another library says, without colours, at most 300 letters.

    Keras names the cause after "Exception encountered:", TensorFlow that of an operation after its node.
    """
    text = re.sub(r'\x1b\[[\d;]*m', '', str(reason)).rpartition('Exception encountered:')[2]
    text = re.sub(r"^Graph execution error:.*\nNode: '[^'\n]*'\n", '', text, flags=re.DOTALL)
    lines = [line.strip() for line in text.split('\n') if line.strip()]
    return (lines or ['no reason given'])[0][:300]


def _by_session(path, meta_graph):
    """Builds no more than what gives the outputs and restores the variables: nothing else runs."""
    from utils.graph_mode import session, tf
    try:
        saver, signature = meta_graph.saver_def, _signature_for_use(meta_graph.signature_def)
        outputs = [output.name for output in signature.outputs.values()]
        # convert_variables_to_constants of TensorFlow 1 reads variables by these.
        needed = [node.name for node in meta_graph.graph_def.node
                  if node.name.endswith('/Read/ReadVariableOp')]
        needed += map(_operation, [*outputs, *filter(None, [saver.restore_op_name])])
        definition = tf.graph_util.extract_sub_graph(meta_graph.graph_def, needed)
        check_graph(path, definition, restored_from=_operation(saver.filename_tensor_name))
        _for_any_machine(definition)
        with tf.Graph().as_default(), session(1) as sess:
            tf.import_graph_def(definition, name='')
            if saver.restore_op_name:
                with plain_path(os.path.join(path, VARIABLES)) as prefix:
                    sess.run(saver.restore_op_name, {saver.filename_tensor_name: prefix})
            return _with_constants(sess, definition, outputs)
    except RunError:
        raise
    except Exception as error:  # whatever a model of another version may bring about
        raise RunError(_cannot(path, error)) from error


def _signature_for_use(signatures):
    if not signatures:
        raise ValueError('it has no signature; save it with one')
    first = min(signatures, key=lambda name: (name != 'serving_default', name.startswith('__'), name))
    return signatures[first]


def _with_constants(sess, definition, outputs):
    from utils.graph_mode import tf
    names = list(map(_operation, outputs))
    return tf.graph_util.convert_variables_to_constants(sess, definition, names)


def _operation(tensor_name):
    return tensor_name.split(':')[0]


def _in_eager_mode(path):
    if format_of(path) == 'onnx':
        with tempfile.TemporaryDirectory() as folder:
            from teachers import onnx_model
            model = onnx_model.read_model(path)
            onnx_model.save_as_saved_model(model, folder)
            return onnx_model.with_batch_norms(model, _in_eager_mode(folder))
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    if os.path.isdir(path):
        model = tf.saved_model.load(path)  # its variables live as long as it
        function = _signature_for_use(model.signatures)
    else:
        model = tf.keras.models.load_model(path, compile=False)
        if len(model.inputs) != 1:
            raise ValueError('it takes %d inputs, not images alone' % len(model.inputs))
        for layer in model._flatten_layers():
            if hasattr(layer, 'unroll'):  # a recurrent one, as above
                layer.unroll = True
        specification = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
        network = tf.function(lambda images: model(images, training=False))
        function = network.get_concrete_function(specification)
    return convert_variables_to_constants_v2(function).graph.as_graph_def()


def main():
    model, graph = sys.argv[1:]
    try:
        content = _in_eager_mode(model).SerializeToString()
    except Exception as error:  # Keras and TensorFlow fail in many ways
        if os.environ.get(DEBUG):
            raise
        sys.exit('%s: %s' % (type(error).__name__, first_line(error)))
    with open(graph, 'wb') as file:
        file.write(content)


if __name__ == '__main__':
    main()
