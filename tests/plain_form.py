"""LeNet-5 as a textbook writes it: what nets/lenet.py is compared with, in value and in speed.

    python tests/plain_form.py train_w_distill.py FLAGS       a script's job on the plain graph, with the teacher in
    python tests/plain_form.py Data_Impressions.py FLAGS      every step, as the published implementation runs it
"""
import importlib
import os
import sys

import tensorflow.compat.v1 as tf

CHANNELS = {'Teacher': (6, 16), 'Student': (3, 8)}


def plain_lenet(images, scope):
    """Logits [B, 10] by conv2d, ReLU, max_pool and matmul, from the variables that build_lenet has or would make."""
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        x, channels = images, 1
        for layer, kernels in zip(('conv0', 'conv1'), CHANNELS[scope]):
            x = plain_conv_relu_pool(x, *_variables(layer, [5, 5, channels, kernels]))
            channels = kernels
        units = 25 * channels
        x = tf.reshape(x, [-1, units])
        for layer, width in (('fc0', 120), ('fc1', 84), ('fc2', 10)):
            weights, biases = _variables(layer, [units, width])
            x = tf.matmul(x, weights) + biases
            if layer != 'fc2':
                x = tf.nn.relu(x)
            units = width
        return x


def plain_conv_relu_pool(x, weights, biases):
    x = tf.nn.relu(tf.nn.conv2d(x, weights, [1, 1, 1, 1], 'VALID') + biases)
    return tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], 'VALID')


def _variables(layer, shape):
    with tf.variable_scope(layer):
        return (tf.get_variable('weights', shape, initializer=tf.truncated_normal_initializer(stddev=0.1)),
                tf.get_variable('biases', shape[-1:], initializer=tf.zeros_initializer()))


class TeacherInEveryStep:
    """Stands for the teacher's logits of all images: computes those of a batch whenever they are asked for."""

    def __init__(self, path, scope, images, threads):
        from utils.session import image_bytes, restore, session
        self._images = images
        with tf.Graph().as_default():
            self._pixels, seen = image_bytes()
            self._logits = plain_lenet(seen, scope)
            self._sess = session(threads)
            restore(self._sess, path, scope)

    def __getitem__(self, batch):
        return self._sess.run(self._logits, {self._pixels: self._images[batch]})


def main():
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    name, *flags = sys.argv[1:]
    script = importlib.import_module(name.replace('.py', ''))
    from utils import synthesis
    from utils.console import run
    synthesis.build_lenet = plain_lenet
    if name == 'train_w_distill.py':
        script.build_lenet, script.logits_of = plain_lenet, TeacherInEveryStep
    run(lambda: script.main(flags))


if __name__ == '__main__':
    main()
