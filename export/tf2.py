"""What plain TensorFlow 2 writes: TFLite and Keras files. export/formats.py starts this as a child process.

    python -m export.tf2 SAVED_MODEL FILE.tflite ORDER.json
    python -m export.tf2 FROZEN_GRAPH FILE.keras ORDER.json

ORDER.json holds a Quantisation of export/int8.py, with the path of its images, and class_names, [] where none
are known. Whatever fails ends it with status 1 and a last line on stderr that says why.
"""
import json
import re
import sys
import zipfile

import numpy as np
import tensorflow as tf


def main(source, target, order_file):
    with open(order_file, encoding='utf-8') as file:
        order = json.load(file)
    names = order['class_names']
    if target.endswith('.tflite'):
        with open(target, 'wb') as file:
            file.write(tflite(source, order))
    else:
        save_keras(source, target, names)
    if names and not target.endswith('.h5'):
        # TFLite's associated files are a ZIP archive behind the model; a .keras file is an archive itself.
        with zipfile.ZipFile(target, 'a') as archive:
            archive.writestr('class_names.txt', ''.join(name + '\n' for name in names))


def tflite(source, order):
    """The bytes of a TFLite file of a SavedModel, quantised as the order says."""
    converter = tf.lite.TFLiteConverter.from_saved_model(source, signature_keys=['serving_default'])
    if 'kind' in order:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if order.get('kind') == 'float16':
        converter.target_spec.supported_types = [tf.float16]
    if order['images']:
        images = np.load(order['images'])
        if order['integers_alone']:
            images = images.astype(np.float32)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.int8
        converter.representative_dataset = lambda: ({'images': image[None]} for image in images)
    try:
        return converter.convert()
    except Exception as error:
        lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
        if lacking:
            raise ValueError('TFLite has no operation %s; choose saved_model or .pb'
                             % ' and '.join(lacking)) from error
        raise


def save_keras(source, target, names):
    import h5py
    import keras

    from export.keras_model import keras_model  # only where it is needed: importing Keras takes seconds
    with open(source, 'rb') as file:
        model = keras_model(tf.compat.v1.GraphDef.FromString(file.read()))
    model.save(target)
    if target.endswith('.h5'):
        with h5py.File(target, 'a') as file:
            # What model.save writes here does not say where operations come from: load_model finds none.
            config = keras.saving.serialize_keras_object(model)['config']
            file.attrs['model_config'] = json.dumps({'class_name': 'Functional', 'config': config})
            if names:
                file.attrs['class_names'] = names


if __name__ == '__main__':
    try:
        main(*sys.argv[1:])
    except Exception as error:  # of converters, which fail in too many ways to list
        sys.exit('%s: %s' % (type(error).__name__, str(error).strip().split('\n')[0]))
