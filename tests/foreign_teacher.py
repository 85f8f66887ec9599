"""Makes a teacher of one's own with plain Keras, as a user does who knows nothing of this project.

    python foreign_teacher.py DATA.npz CODE...

trains ``model``, executes each CODE, such as model.save('teacher.keras'), and prints the model's accuracy. It
is a small network with batch norm for colour images 16x16 in five classes. They are made up: a bright bar or
spot of a colour that goes with the class, on a noisy ground.
"""
import sys

import numpy as np
import tensorflow as tf

CLASSES, SIDE = 5, 16


def made_up(count, rng):
    """(images uint8 [count, 16, 16, 3], labels [count])."""
    labels = np.arange(count) % CLASSES
    images = rng.randint(0, 90, (count, SIDE, SIDE, 3))
    for image, label in zip(images, labels):
        row, column = rng.randint(2, 9, 2)
        if label < 3:  # a bar of its own colour, standing or lying
            lying = rng.randint(2)
            image[row:row + (3 if lying else 9), column:column + (9 if lying else 3), label] += 150
        else:  # a spot, yellow or blue-green
            image[row:row + 5, column:column + 5, [0, 1] if label == 3 else [1, 2]] += 130
    return images.astype(np.uint8), labels.astype(np.int32)


def main():
    data, *codes = sys.argv[1:]
    rng = np.random.RandomState(0)
    images, labels = made_up(1500, rng)
    test_images, test_labels = made_up(500, rng)
    np.savez(data, x_train=images, y_train=labels, x_test=test_images, y_test=test_labels)
    np.random.seed(0)
    layers = tf.keras.layers
    model = tf.keras.Sequential([
        layers.Conv2D(12, 3, input_shape=(SIDE, SIDE, 3)), layers.BatchNormalization(), layers.ReLU(),
        layers.MaxPool2D(), layers.Conv2D(24, 3, activation='relu'), layers.MaxPool2D(), layers.Flatten(),
        layers.Dropout(0.2), layers.Dense(32, activation='relu'),
        layers.Dense(CLASSES, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(images / 127.5 - 1, labels, batch_size=32, epochs=8, verbose=0)
    for code in codes:
        exec(code, {'model': model})
    print(model.evaluate(test_images / 127.5 - 1, test_labels, verbose=0)[1])


if __name__ == '__main__':
    main()
