"""int8 without data: calibration by impressions, and how often the result agrees with the float network."""
import warnings
from argparse import Namespace
from typing import NamedTuple, Optional

import numpy as np

from teachers.formats import TeacherOptions
from utils.data.impressions import load_impressions
from utils.files import RunError
from utils.graph_mode import tf
from utils.images import PIXEL_MAX, resized
from utils.records.origins import check_impressions

CALIBRATION = 300       # impressions at most; a file of fewer than twice as many is halved
CHECKED = 1000
BATCH = 250
LEAST_AGREEMENT = 95    # per cent


class Quantisation(NamedTuple):
    """How a TFLite file keeps its numbers."""
    kind: str                               # 'float16', 'int8', or 'weights': the weights alone are int8
    images: Optional[np.ndarray] = None     # to calibrate with: uint8 [N, H, W, C], as the export takes them
    integers_alone: bool = False            # no operation in float; the logits are integers


def calibration_images(path, network, record, image_shape):
    """(impressions to calibrate an export with, others to check it with), uint8 [N, *image_shape].

    record: that of the network, {} where there is none; image_shape: of the images that the export takes.
    Raises RunError where the impressions cannot be read, or their record says that they are of another
    teacher.
    """
    impressions = load_impressions(path, network.image_shape, network.classes)
    check_origin(impressions, network, record)
    if len(impressions.images) < 2:
        raise RunError('%r holds one impression; make more, to calibrate with and to check' % path)
    images = resized(impressions.images, image_shape)
    images = images[np.random.RandomState(0).permutation(len(images))]
    count = min(CALIBRATION, len(images) // 2)
    return with_full_range(images[:count]), images[count:count + CHECKED]


def check_origin(impressions, network, record):
    """Raises RunError where impressions are of another teacher than a student's, or than a teacher itself."""
    teacher = record.get('inputs', {}).get('teacher')
    if teacher is not None:
        arguments = record['arguments']
        network = Namespace(path=str(arguments.get('teacher')), digest=teacher,
                            options=TeacherOptions.of(Namespace(**arguments)))
    elif getattr(network, 'role', None) == 'Student':
        print('%r has no record that names its teacher; the impressions %r are taken as they are'
              % (network.path, impressions.path))
        return
    check_impressions(impressions, network)


def with_full_range(images):
    """Images of which one has a black corner and a white one, so that the input's range is that of bytes."""
    images, (height, width) = images.copy(), images.shape[1:3]
    images[0, :1 + height // 8, :1 + width // 8] = 0
    images[0, -1 - height // 8:, -1 - width // 8:] = PIXEL_MAX
    return images


def print_agreement(file, network, images):
    """Prints in how many per cent of impressions an int8 file's class is its network's.

    images: uint8 [N, H, W, C], as the file takes them. Below 95 % a warning follows.
    """
    answer = logits_of(file)
    found = np.concatenate([answer(images[start:start + BATCH]) for start in range(0, len(images), BATCH)])
    expected = network.answers(resized(images, network.image_shape))
    share = 100 * np.mean(found.argmax(axis=1) == expected.argmax(axis=1))
    print('%r: int8 and float agree on %.1f %% of %d other impressions' % (file, share, len(images)))
    if share < LEAST_AGREEMENT:
        print('warning: that is little; try impressions made with more --iterations, or --float16 in place '
              'of --int8')


def logits_of(file):
    """The function of images uint8 [N, H, W, C] that a TFLite file is: logits [N, classes]."""
    runner = interpreter(file).get_signature_runner('serving_default')
    return lambda images: runner(images=images)['logits']


def interpreter(file, delegates=False):
    """TFLite's interpreter of a file on one thread; delegates: with the quick kernels that users have."""
    resolvers = tf.lite.experimental.OpResolverType
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that TensorFlow's interpreter will move to a package of its own
        return tf.lite.Interpreter(file, num_threads=1, experimental_op_resolver_type=(
            resolvers.AUTO if delegates else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES))


def float_operations(file):
    """The names of the operations of a TFLite file that take and give floats."""
    network = interpreter(file)
    floats = {tensor['index'] for tensor in network.get_tensor_details() if tensor['dtype'] is np.float32}
    return sorted({operation['op_name'] for operation in network._get_ops_details()
                   if floats.intersection(operation['inputs']) and floats.intersection(operation['outputs'])})
