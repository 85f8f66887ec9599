"""Makes a teacher of one's own with plain Keras, as a user does who knows nothing of this project.

    python foreign_teacher.py DATA.npz CODE...

trains ``model``, a small network with batch norm, on colour images, executes each CODE, such as
model.save('teacher.keras'), and prints its accuracy on the test images.
"""
import sys

import numpy as np
import tensorflow as tf


def main():
    data, *codes = sys.argv[1:]
    with np.load(data) as arrays:
        (images, labels), (test_images, test_labels) = [
            (arrays['x_' + part] / 127.5 - 1, arrays['y_' + part]) for part in ('train', 'test')]
    np.random.seed(0)
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        layers.Conv2D(12, 3, input_shape=images.shape[1:]), layers.BatchNormalization(), layers.ReLU(),
        layers.MaxPool2D(), layers.Conv2D(24, 3, activation='relu'), layers.MaxPool2D(), layers.Flatten(),
        layers.Dropout(0.2), layers.Dense(32, activation='relu'),
        layers.Dense(int(labels.max()) + 1, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(images, labels, batch_size=32, epochs=40, verbose=0)
    for code in codes:
        exec(code, {'model': model})
    print(model.evaluate(test_images, test_labels, verbose=0)[1])


if __name__ == '__main__':
    main()
