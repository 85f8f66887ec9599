"""Nothing in a file is executed: graphs and Keras models of what networks are not made of are refused."""
import json

import pytest
from test_foreign import dense, features, images_of

from nets.networks import find_pair
from teachers.freeze import frozen_graph
from teachers.safety import check_graph, check_layers, check_saved_functions
from teachers.trained import open_teacher
from utils.files import RunError
from utils.graph_mode import TF1, new_graph, session, tf

OTHERS = {
    'WriteFile': lambda path: tf.write_file(path, 'written'), 'ReadFile': lambda path: tf.read_file(path),
    'PyFunc': lambda path: tf.py_func(lambda: open(path, 'w').close(), [], []),
    'MatchingFiles': lambda path: tf.matching_files(path)}


@pytest.mark.parametrize('operation', OTHERS)
def test_a_frozen_graph_runs_no_other_operation(operation, tmp_path):
    """One that networks are not made of, for which the logits wait."""
    written, path = tmp_path / 'written', tmp_path / 'teacher.pb'
    new_graph(0)
    images = images_of()
    with tf.control_dependencies([OTHERS[operation](str(written))]):
        tf.identity(dense(features(images)))
    path.write_bytes(tf.get_default_graph().as_graph_def().SerializeToString())
    with pytest.raises(RunError, match=r'its operation \S+ \(%s\)' % operation):
        open_teacher(str(path), find_pair('lenet'))
    assert not written.exists()


def test_nor_does_a_function_that_a_graph_brings_along():
    graph = tf.GraphDef()
    graph.node.add(name='call', op='StatefulPartitionedCall').attr['f'].func.name = '__inference_f'
    function = graph.library.function.add()
    function.signature.name = '__inference_f'
    function.node_def.add(name='sum', op='AddV2')
    check_graph('x.pb', graph)
    function.node_def.add(name='out', op='WriteFile')
    with pytest.raises(RunError, match=r'out \(WriteFile\)'):
        check_graph('x.pb', graph)
    function.signature.name = graph.node[0].op = 'ReadFile'  # the name of a function hides no operation
    del function.node_def[1]
    with pytest.raises(RunError, match=r'call \(ReadFile\)'):
        check_graph('x.pb', graph)


@pytest.mark.parametrize('place', ['network', 'start', 'restoring'])
def test_a_saved_model_runs_no_other_operation(place, tmp_path):
    """What is no part of the network is not even built; what restores it reads its own variables alone."""
    folder, written = str(tmp_path / 'teacher'), tmp_path / 'written'
    new_graph(0)
    images = images_of()
    factor = tf.get_variable('factor', initializer=2.0)
    write, builder = tf.write_file(str(written), 'written'), tf.saved_model.builder.SavedModelBuilder(folder)
    with tf.control_dependencies([write] if place == 'network' else []):
        logits = dense(features(images) * factor)
    signature = tf.saved_model.predict_signature_def({'images': images}, {'logits': logits})
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        builder.add_meta_graph_and_variables(sess, ['serve'], {'serving_default': signature},
                                             main_op=write if place == 'start' else None)
    builder.save()
    if place == 'restoring':
        path = tmp_path / 'teacher' / 'saved_model.pb'
        path.write_bytes(path.read_bytes().replace(b'RestoreV2', b'WriteFile'))
    if place == 'start':
        assert open_teacher(folder, find_pair('lenet')).classes == 5
    else:
        with pytest.raises(RunError, match='WriteFile'):
            frozen_graph(folder)
    assert not written.exists()


@pytest.mark.skipif(TF1, reason='TensorFlow 1 reads none of TensorFlow 2')
def test_functions_of_a_saved_model_save_nothing_but_the_savers_do():
    meta_graph = tf.MetaGraphDef()
    library = meta_graph.graph_def.library
    for name, operation in [('__inference_net', 'MatMul'), ('__inference_traced_save', 'SaveV2')]:
        function = library.function.add()
        function.signature.name = name
        function.node_def.add(name='node', op=operation)
    meta_graph.object_graph_def.concrete_functions['__inference_net'].SetInParent()
    check_saved_functions('folder', meta_graph)
    call = library.function[0].node_def.add(name='call', op='PartitionedCall')
    call.attr['f'].func.name = '__inference_traced_save'
    with pytest.raises(RunError, match='SaveV2'):
        check_saved_functions('folder', meta_graph)
    library.function[1].node_def[0].op = 'EagerPyFunc'
    del library.function[0].node_def[1]
    with pytest.raises(RunError, match='EagerPyFunc'):
        check_saved_functions('folder', meta_graph)


def layer(name, module='keras.layers', **config):
    return {'class_name': name, 'config': config, 'module': module, 'registered_name': None}


def model(*layers):
    return json.dumps({'class_name': 'Sequential', 'config': {'name': 'net', 'layers': layers}})


def test_keras_own_layers_are_taken():
    check_layers('x.keras', model(
        layer('Conv2D', activation='relu', kernel_initializer=layer('GlorotUniform', 'keras.initializers')),
        layer('Multiply', 'keras.src.ops.numpy'), layer('BatchNormalizationV1', None),
        layer('Activation', activation={'class_name': 'function', 'config': 'gelu', 'module': 'builtins'})))
    loss = layer('SparseCategoricalCrossentropy', 'keras.losses')
    inner = dict(layer('Sequential', 'keras', layers=[]), compile_config={'loss': loss})
    check_layers('x.keras', model(inner))
    training = dict(json.loads(model()), compile_config={'loss': layer('MyLoss', 'mine')})
    check_layers('x.keras', json.dumps(training))


@pytest.mark.parametrize('bad', [
    layer('Lambda', function='x'), layer('TimeDistributed', layer=layer('Lambda')), layer('Lambda', None),
    layer('TFOpLambda', function='io.write_file'), layer('TFSMLayer'), layer('Dense', 'os'),
    layer('Dense', 'keras_of_mine.layers'), layer('run', 'keras.src.ops.core'),
    {'class_name': 'function', 'config': 'get_file', 'module': 'keras.utils.file_utils'},
    {'class_name': 'function', 'config': 'get_file', 'module': 'keras.losses'},
    {'class_name': '__lambda__', 'config': {'value': 'x'}},
    dict(layer('Sequential', 'keras', layers=[]), compile_config={'loss': layer('MyLoss', 'mine')})],
    ids=lambda bad: '%s %s' % (bad['class_name'], bad.get('module')))
def test_a_layer_with_code_is_refused(bad):
    with pytest.raises(RunError, match=r'its layer or function \w+ is not'):
        check_layers('x.keras', model(layer('Dense'), bad))


@pytest.mark.parametrize('config', ['', '[1', '3', '[' * 100000, '{"class_name": "function", "config": {}}'])
def test_what_is_no_model_is_damaged(config):
    with pytest.raises(RunError, match='no model of Keras'):
        check_layers('x.h5', config)
