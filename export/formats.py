"""The formats that a network is exported to. What needs plain TensorFlow 2 is left to export/tf2.py."""
import contextlib
import io
import os
import tempfile

import numpy as np

from export.graph import integer_graph, serving_graph
from export.int8 import float_operations
from nets.networks import network_variables
from utils.files import RunError, atomic_write, make_folder, save_json
from utils.graph_mode import TF1, run_in_eager_mode, session, tf, values_of

SAVED_MODEL = 'saved_model'     # the one format that is a folder
CLASS_NAMES = 'class_names'     # the .npz array and the .pb constant with the names of the classes
TF2_SUFFIXES = '.tflite', '.keras', '.h5'
SUFFIXES = ('.pb', '.npz') + TF2_SUFFIXES
MEMBERS = {'saved_model.pb', 'variables', 'assets', 'assets.extra', 'fingerprint.pb'}  # of a SavedModel


def check_available(form):
    """Raises RunError where this TensorFlow cannot write the format: a suffix of SUFFIXES, or SAVED_MODEL."""
    if form in TF2_SUFFIXES and TF1:
        raise RunError('TensorFlow %s cannot write %s; run this with TensorFlow 2, which reads the same '
                       'weights, or choose saved_model, .pb or .npz' % (tf.__version__, form))


def export(network, image_shape, class_names, form, path, quantisation=None):
    """Writes a network to ``path``. What was there before stays until the new is whole.

    network: a TrainedNetwork or a ForeignNetwork; image_shape: (H, W, C) of the images that the export takes;
    class_names: a sequence of str, empty where they are not known; form: one of SUFFIXES, or SAVED_MODEL;
    quantisation: a Quantisation of a TFLite file. Raises RunError where the network cannot be written in that
    format, or the path cannot be written.
    """
    build = integer_graph if quantisation and quantisation.integers_alone else serving_graph
    graph = build(network, image_shape)
    with session(threads=1) as sess:
        network.restore(sess)
        if form == SAVED_MODEL:
            with new_folder(path) as folder:
                save_saved_model(sess, graph, class_names, folder)
            return
        if form == '.npz':
            content = npz(sess, network, class_names)
        elif form == '.pb':
            content = frozen(sess, graph, class_names)
        else:
            content = from_tf2(sess, graph, class_names, form, quantisation)
    with atomic_write(path) as file:
        file.write(content)


def save_saved_model(sess, graph, class_names, folder):
    """Makes the SavedModel ``folder``; its signature serving_default is that of the ServingGraph.

    The names of the classes are lines of assets.extra/class_names.txt.
    """
    tf.saved_model.simple_save(sess, folder, {'images': graph.images}, graph.outputs)
    if class_names:
        os.mkdir(os.path.join(folder, 'assets.extra'))
        with open(os.path.join(folder, 'assets.extra', CLASS_NAMES + '.txt'), 'wb') as file:
            file.write(''.join(name + '\n' for name in class_names).encode())


def npz(sess, network, class_names):
    """The bytes of an .npz file: {variable name: array} and, where they are known, class_names.

    Raises RunError for a graph of constants.
    """
    if network.pair is None:
        raise RunError('%r has a graph of its own, and an .npz holds the weights of a pair alone; choose '
                       'saved_model, .pb or .tflite' % network.path)
    weights, buffer = values_of(sess, network_variables(network.role)), io.BytesIO()
    np.savez(buffer, **weights, **({CLASS_NAMES: np.array(class_names)} if class_names else {}))
    return buffer.getvalue()


def frozen(sess, graph, class_names=()):
    """The bytes of a GraphDef: the ServingGraph with constants for variables, and a constant class_names."""
    outputs = list(graph.outputs)
    if class_names:
        outputs.append(tf.constant(list(class_names), name=CLASS_NAMES).op.name)
    return tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, outputs).SerializeToString()


def from_tf2(sess, graph, class_names, form, quantisation=None):
    """The bytes of a file of one of TF2_SUFFIXES. A child writes it: here TensorFlow 2's own ways are off."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, order, images = [os.path.join(folder, name) for name in (
            'source', 'network' + form, 'order.json', 'images.npy')]
        calibrated = quantisation is not None and quantisation.images is not None
        try:
            if calibrated:
                np.save(images, quantisation.images)
            if form == '.tflite':
                save_saved_model(sess, graph, (), source)
            else:
                with open(source, 'wb') as file:
                    file.write(frozen(sess, graph))
        except (OSError, tf.errors.OpError) as error:
            raise RunError('cannot write a temporary file into %r: %s; make room'
                           % (folder, reason_of(error))) from error
        save_json(order, dict(quantisation._asdict() if quantisation else {}, class_names=list(class_names),
                              images=images if calibrated else None))
        failed = run_in_eager_mode('export.tf2', source, target, order)
        if failed:
            raise RunError('this network cannot be written as %s: %s' % (form, failed))
        floats = float_operations(target) if calibrated else []
        if floats and quantisation.integers_alone:
            raise RunError('TFLite has no int8 form of %s; leave --int8_operations_only out'
                           % ' and '.join(floats))
        if floats:
            print('TFLite has no int8 form of %s; it stays in float' % ' and '.join(floats))
        with open(target, 'rb') as file:
            return file.read()


@contextlib.contextmanager
def new_folder(path):
    """Yields the name of a folder to make. It becomes ``path`` when the block ends well, else it vanishes.

    A SavedModel at ``path`` is replaced. Raises RunError where anything else is there, or where the folder
    cannot be written.
    """
    path = os.path.realpath(path)
    check_replaceable(path)
    parent, name = os.path.split(path)
    make_folder(parent)
    try:
        with tempfile.TemporaryDirectory(prefix='.%s.' % name, suffix='.tmp', dir=parent) as beside:
            new, old = os.path.join(beside, 'new'), os.path.join(beside, 'old')
            yield new
            if os.path.isdir(path):
                os.rename(path, old)
            try:
                os.rename(new, path)
            except BaseException:
                if os.path.isdir(old):
                    os.rename(old, path)
                raise
    except (OSError, tf.errors.OpError) as error:
        raise RunError('cannot write the folder %r: %s; make room, or choose another or a folder below it'
                       % (path, reason_of(error))) from error


def reason_of(error):
    """What an OSError or an error of TensorFlow says, without its number or its operation."""
    return getattr(error, 'strerror', None) or getattr(error, 'message', None) or error


def check_replaceable(path):
    """Raises RunError where ``path`` is neither free, nor an empty folder, nor a SavedModel alone."""
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path):
        raise RunError('%r is a file; a SavedModel is a folder: give another path' % path)
    try:
        members = set(os.listdir(path))
    except OSError as error:
        raise RunError('cannot read the folder %r: %s' % (path, error.strerror)) from error
    if members and ('saved_model.pb' not in members or members - MEMBERS):
        raise RunError('the folder %r holds %r, which no SavedModel has; empty it or give another path'
                       % (path, min(members - MEMBERS or members)))
