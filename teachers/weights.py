"""The arrays of a trained network, read from a file of any format. Nothing in a file is executed."""
import contextlib
import io
import os
import re
import zipfile

import numpy as np
from google.protobuf.message import DecodeError

from teachers.formats import SAVED_MODEL, VARIABLES, checkpoint_prefix, files_of, format_of, plain_path
from utils.files import RunError, open_file, read_bytes
from utils.matfile import mat_arrays
from utils.npz import Npz

SAVED_MODEL_VARIABLE = '/.ATTRIBUTES/VARIABLE_VALUE'  # what TensorFlow 2 adds to a variable's name


def read_weights(path):
    """{name: array} of the numbers in a file, in its order if it has one.

    The formats are those of teachers/formats.py.

    What is no array of real numbers is None or left out. Raises RunError for a file that is missing, damaged,
    or in no format that is read.
    """
    return READERS[format_of(path)](path)


def read_graph(path):
    """The GraphDef of a frozen graph. Raises RunError where the file holds none."""
    from utils.graph_mode import tf
    graph = tf.GraphDef()
    try:
        graph.ParseFromString(read_bytes(path))
    except DecodeError as error:
        raise RunError('%r is not a frozen graph (%s); of a SavedModel give the folder'
                       % (path, error)) from error
    if not graph.node:
        raise RunError('%r holds no operation; freeze the graph again' % path)
    return graph


def weights_in(graph):
    """How many real numbers the constants of a frozen graph hold, without scalars."""
    from utils.graph_mode import tf
    shapes = [node.attr['value'].tensor.tensor_shape.dim for node in graph.node
              if node.op == 'Const' and tf.as_dtype(node.attr['dtype'].type).is_floating]
    return sum(int(np.prod([axis.size for axis in shape])) for shape in shapes if len(shape))


def read_meta_graph(path):
    """The MetaGraphDef of a SavedModel that is for use. Raises RunError where its folder holds none."""
    from tensorflow.core.protobuf import saved_model_pb2
    try:
        content = read_bytes(os.path.join(path, SAVED_MODEL))
        meta_graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
        return next(graph for graph in meta_graphs if 'serve' in graph.meta_info_def.tags)
    except (DecodeError, StopIteration) as error:
        raise RunError('%r is damaged or holds no network for use (tag serve); save it again'
                       % path) from error


def has_graph(path):
    """Whether a file holds a network beside its weights."""
    file_format = format_of(path)
    if file_format == 'h5':
        return keras_config(path) is not None
    return file_format in ('saved_model', 'keras', 'pb', 'onnx')


def keras_config(path):
    """How the layers go in a Keras model, as JSON; None where the file holds weights alone."""
    if format_of(path) == 'keras':
        return _member(path, 'config.json')
    with _opened_hdf5(path, read_bytes(path)) as file:
        config = file.attrs.get('model_config')
        return None if config is None else _text(config)


def _npz(path):
    npz = Npz(path, io.BytesIO(read_bytes(path)))
    return {name: npz.read(name) for name in npz.names if npz.header(name)[1].kind in 'fiu'}


def _member(path, name):
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            return archive.read(name)
    except RunError:
        raise
    except Exception as error:  # zipfile fails in many ways on a damaged archive
        raise RunError('%r is damaged or not a .keras file (%s); save the model again'
                       % (path, error)) from error


def _hdf5_arrays(path, content):
    with _opened_hdf5(path, content) as opened:
        root = opened.get('model_weights', opened)
        names = []
        for layer in _texts(root.attrs, 'layer_names'):  # in the order of the network
            names += ['%s/%s' % (layer, name) for name in _texts(root[layer].attrs, 'weight_names')]
        if not names:
            root.visititems(lambda name, item: names.append(name) if hasattr(item, 'dtype') else None)
            names = sorted((name for name in names if not name.startswith('optimizer')), key=natural)
        for name in names:
            if root[name].external or root[name].is_virtual or root[name].file.filename != opened.filename:
                raise ValueError('its %s lies in another file' % name)
        return {name: root[name][()] for name in names}


@contextlib.contextmanager
def _opened_hdf5(path, content):
    try:
        import h5py
        with h5py.File(io.BytesIO(content), 'r') as opened:
            yield opened
    except ImportError as error:
        raise RunError('%r: h5py is not installed; pip install h5py' % path) from error
    except Exception as error:  # h5py fails in many ways on a damaged file
        raise RunError('%r is damaged or not an HDF5 file of Keras (%s); save it again'
                       % (path, error)) from error


def _texts(attributes, name):
    """The texts of an attribute, which Keras splits into parts where it is long: name0, name1, ..."""
    parts = sorted((part for part in attributes if re.fullmatch(name + r'\d*', part)), key=natural)
    return [_text(value) for part in parts for value in attributes[part]]


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def _checkpoint(path):
    from utils.graph_mode import tf
    try:
        for file in files_of(path).values():
            open_file(file).close()
        with plain_path(checkpoint_prefix(path)) as prefix:
            reader = tf.train.load_checkpoint(prefix)
            names = sorted(reader.get_variable_to_shape_map(), key=natural)
            arrays = {name: reader.get_tensor(name) for name in names
                      if name != '_CHECKPOINTABLE_OBJECT_GRAPH'}
    except RunError:
        raise
    except Exception as error:  # errors of TensorFlow, ValueError, RuntimeError: it depends on the version
        reason = str(error).split('\n')[0]
        raise RunError('%r is not a whole TensorFlow checkpoint (%s); save it again'
                       % (path, reason)) from error
    return {name.replace(SAVED_MODEL_VARIABLE, ''): array for name, array in arrays.items()
            if isinstance(array, np.ndarray)}


def _saved_model(path):
    prefix = os.path.join(path, VARIABLES)
    if not os.path.exists(prefix + '.index'):
        return {}
    arrays = _checkpoint(prefix)
    # Keras lists the same variables twice.
    return {name: array for name, array in arrays.items() if not name.startswith('_all_variables/')}


def _frozen_graph(path):
    from utils.graph_mode import tf
    constants = [node for node in read_graph(path).node if node.op == 'Const']
    try:
        return {node.name: tf.make_ndarray(node.attr['value'].tensor) for node in constants}
    except (TypeError, ValueError) as error:
        raise RunError('%r is damaged (%s); freeze the graph again' % (path, error)) from error


def _torch(path):
    content = read_bytes(path)
    try:
        import torch
    except ImportError as error:
        raise RunError('%r: PyTorch is not installed here; export the network as ONNX: '
                       'torch.onnx.export(model, images, "teacher.onnx"); for the weights of a pair install '
                       'PyTorch, or save them as .npz: '
                       'numpy.savez("teacher.npz", **{k: v.numpy() for k, v in model.state_dict().items()})'
                       % path) from error
    try:
        state = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)
        for key in ('state_dict', 'model_state_dict', 'model', 'net'):  # what training scripts wrap it in
            state = state.get(key, state)
        return {name: tensor.detach().float().numpy() for name, tensor in state.items()
                if torch.is_tensor(tensor)}
    except Exception as error:  # pickle's, zip's and torch's own
        raise RunError('%r holds no plain state dict of PyTorch; save it with '
                       'torch.save(model.state_dict(), %r)' % (path, path)) from error


def natural(name):
    """A sorting key: conv2d_2 comes before conv2d_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', name)]


READERS = {'mat': lambda path: mat_arrays(path)[0], 'npz': _npz,
           'h5': lambda path: _hdf5_arrays(path, read_bytes(path)),
           'keras': lambda path: _hdf5_arrays(path, _member(path, 'model.weights.h5')),
           'checkpoint': _checkpoint, 'saved_model': _saved_model, 'pb': _frozen_graph, 'torch': _torch,
           'onnx': lambda path: {}}  # its graph is read, by teachers/freeze.py
