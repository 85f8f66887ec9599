"""Makes a frozen graph of a SavedModel or a Keras model: the network for use, its variables now constants.

Models of TensorFlow 2 need its eager mode, and the rest of this project runs without. So there

    python -m teachers.freeze MODEL GRAPH.pb

does it in a process of its own.
"""
import functools
import os
import subprocess
import sys
import tempfile

from teachers.formats import digest_of
from teachers.weights import keras_config, read_graph, read_weights
from utils.files import REPOSITORY, RunError

WAY_OUT = 'give a frozen graph (.pb), or the weights of a pair'


def frozen_graph(path, file_format):
    """The GraphDef of a model, not to be changed; file_format: 'saved_model', 'keras', 'h5' or 'pb'.

    A process makes it once for as long as the content stays. Raises RunError where there is none.
    """
    return _frozen_graph(path, file_format, digest_of(path))


@functools.lru_cache(maxsize=2)
def _frozen_graph(path, file_format, digest):
    from utils.graph_mode import tf
    if file_format == 'pb':
        return read_graph(path)
    if tf.__version__.startswith('1.'):
        if file_format == 'keras':
            raise RunError('%r: TensorFlow 1 reads the weights of a .keras file, not its network; save it as '
                           '.h5, or use TensorFlow 2' % path)
        try:
            return _by_tensorflow_1(path, file_format)
        except Exception as error:  # whatever a model of another version may bring about
            raise RunError(_cannot(path, error)) from error
    with tempfile.TemporaryDirectory() as folder:
        graph = os.path.join(folder, 'graph.pb')
        command = [sys.executable, '-m', 'teachers.freeze', os.path.abspath(path), graph]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            lines = done.stderr.decode(errors='replace').strip().split('\n')
            raise RunError(_cannot(path, lines[-1]))
        return read_graph(graph)


def _cannot(path, reason):
    return '%r cannot be used as a network: %s; %s' % (path, first_line(reason), WAY_OUT)


def first_line(reason):
    """The first line of what another library says, at most 300 letters."""
    lines = [line.strip() for line in str(reason).split('\n') if line.strip()]
    return (lines or ['no reason given'])[0][:300]


def _by_tensorflow_1(path, file_format):
    from utils.graph_mode import tf
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        if file_format == 'saved_model':
            signatures = tf.saved_model.loader.load(sess, ['serve'], path).signature_def
            signature = signatures.get('serving_default') or next(iter(signatures.values()))
            outputs = [output.name for output in signature.outputs.values()]
        else:
            tf.keras.backend.set_session(sess)
            tf.keras.backend.set_learning_phase(0)
            # Not load_model: that of TensorFlow 1 fails with the version of h5py that it asks for.
            model = tf.keras.models.model_from_json(keras_config(path))
            model.set_weights(list(read_weights(path).values()))
            outputs = [output.name for output in model.outputs]
        names = [name.split(':')[0] for name in outputs]
        return tf.graph_util.convert_variables_to_constants(sess, graph.as_graph_def(), names)


def _by_tensorflow_2(path):
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    if os.path.isdir(path):
        model = tf.saved_model.load(path)  # its variables live as long as it
        signatures = model.signatures
        if not signatures:
            raise ValueError('it has no signature; save it with one')
        function = signatures['serving_default' if 'serving_default' in signatures else list(signatures)[0]]
    else:
        model = tf.keras.models.load_model(path, compile=False)
        if len(model.inputs) != 1:
            raise ValueError('it takes %d inputs, not images alone' % len(model.inputs))
        specification = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
        network = tf.function(lambda images: model(images, training=False))
        function = network.get_concrete_function(specification)
    return convert_variables_to_constants_v2(function).graph.as_graph_def()


def main():
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    model, graph = sys.argv[1:]
    try:
        content = _by_tensorflow_2(model).SerializeToString()
    except Exception as error:  # Keras and TensorFlow fail in many ways
        sys.exit('%s: %s' % (type(error).__name__, first_line(error)))
    with open(graph, 'wb') as file:
        file.write(content)


if __name__ == '__main__':
    main()
