"""Exports a trained network as what is deployed.

    python convert.py MNIST/zskd1/train_params.mat --to saved_model served/digits
    python convert.py MNIST/zskd1/train_params.mat --to digits.tflite
    python convert.py MNIST/zskd1/train_params.mat --to digits.tflite --float16
    python convert.py MNIST/zskd1/train_params.mat --to digits.tflite --int8 DI/DI-1.mat
    python convert.py MNIST/zskd1/train_params.mat --to digits.keras
    python convert.py MNIST/zskd1/train_params.mat --to digits.h5
    python convert.py MNIST/zskd1/train_params.mat --to digits.pb
    python convert.py MNIST/zskd1/train_params.mat --to digits.npz

WEIGHTS is the train_params.mat of a student or a teacher, or any network that --teacher takes elsewhere. The
record beside it says which networks and data set it is of; --nets and --dataset say it where there is no
record. The export takes images [N, H, W, C] of bytes, as large as those of the data set, and gives logits,
probabilities and classes. An .npz holds the weights alone. .tflite, .keras and .h5 need TensorFlow 2. --int8
needs no image: impressions of the teacher calibrate it. See docs/serving.md.
"""
if __name__ == '__main__':
    from utils.console import end_on_ctrl_c
    end_on_ctrl_c()  # while what follows is imported

import os

from export.formats import SAVED_MODEL, SUFFIXES, check_available, export
from export.int8 import Quantisation, calibration_images, print_agreement
from export.source import images_of, network_of, text_of
from nets import PAIRS
from teachers.checks import warn_of_pixel_scale
from teachers.formats import FORMATS, TeacherOptions, is_path
from teachers.trained import AS_READ
from utils.console import run
from utils.data import datasets
from utils.files import RunError
from utils.settings.flags import add_teacher_options
from utils.settings.parser import Parser, dataset, nets, path


def main(argv=None):
    args = flags(argv)
    check_available(args.form)
    network, record = network_of(args.weights, args.nets, TeacherOptions.of(args),
                                 args.dataset and datasets.image_shape(args.dataset))
    image_shape, class_names = images_of(network, record, args.dataset)
    teacher = text_of(record, 'arguments', 'teacher') or ''
    networks = [args.weights] + [teacher] * (is_path(teacher) and os.path.exists(teacher))
    check_target(args.target, networks, args.nets, args.int8, args.dataset,
                 text_of(record, 'arguments', 'dataset'))
    if network.pair is None:
        warn_of_pixel_scale(network, threads=1, device='cpu')
    quantisation = Quantisation('float16') if args.float16 else None
    if args.int8:
        images, others = calibration_images(args.int8, network, record, image_shape)
        quantisation = Quantisation('int8', images, args.int8_operations_only)
    export(network, image_shape, class_names, args.form, args.target, quantisation)
    print('%r: %s, images uint8 [N, %d, %d, %d], %d classes%s, %d bytes' % (
        args.target, network.description, *image_shape, network.classes,
        ' (%s)' % ', '.join(class_names) if class_names else '', size(args.target)))
    if args.int8:
        print_agreement(args.target, network, others)


def flags(argv):
    """The settings as a Namespace; ``form`` is the format, ``target`` the path of the export."""
    parser = Parser(prog='convert.py', description=__doc__)
    add = parser.add_argument
    add('weights', type=path, metavar='WEIGHTS', help='a network: ' + FORMATS)
    add('--to', required=True, nargs='+', type=path, metavar=('FILE', 'DIR'),
        help='saved_model DIR, or a FILE whose suffix is the format: ' + ', '.join(SUFFIXES))
    add('--int8', type=path, metavar='DI-R.mat',
        help='.tflite with weights and activations of 8 bits; these impressions of the same teacher '
             'calibrate it')
    add('--int8_operations_only', action='store_true',
        help='no operation in float, for devices without it: the logits are integers')
    add('--float16', action='store_true', help='.tflite with weights of 16 bits')
    add('--dataset', type=dataset, metavar='NAME',
        help="the data set that says how large images are and what classes are called: a known one, a file, "
             "or none for images of the networks' own size (default: the record's)")
    add('--nets', type=nets, metavar='{%s,FILE.py}' % ','.join(PAIRS),
        help="the pair of networks, or a file with one's own (default: the record's, else the known pair "
             "whose variables the weights are)")
    add_teacher_options(parser.add_argument_group('how WEIGHTS is read'))
    args = parser.parse_args(argv)
    args.target, args.form = args.to[-1], os.path.splitext(args.to[0])[1].lower()
    if args.to[0] == SAVED_MODEL and len(args.to) == 2:
        args.form = SAVED_MODEL
    elif args.form not in SUFFIXES or len(args.to) > 1:
        parser.error('--to takes %s DIR, or a file that ends in %s' % (SAVED_MODEL, ', '.join(SUFFIXES)))
    if args.int8_operations_only and not args.int8:
        parser.error('--int8_operations_only goes with --int8')
    if args.int8 and args.float16:
        parser.error('give --int8 or --float16')
    if (args.int8 or args.float16) and args.form != '.tflite':
        parser.error('--int8 and --float16 are of a .tflite file')
    if args.form == '.npz' and TeacherOptions.of(args) != AS_READ:
        parser.error('an .npz holds weights alone, not how pixels are scaled; choose another --to')
    return args


def check_target(target, networks, *others):
    """Raises RunError where an export would replace what it is made from.

    networks: their paths; others: paths, names, None.
    """
    target = os.path.join(os.path.realpath(target), '')
    for source in [*networks, *filter(os.path.isfile, filter(None, others))]:
        if os.path.join(os.path.realpath(source), '').startswith(target):
            raise RunError('%r would be replaced by its own export; choose another --to' % source)


def size(place):
    """The bytes of a file, or of all files of a folder."""
    if not os.path.isdir(place):
        return os.path.getsize(place)
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(place) for name in names)


if __name__ == '__main__':
    run(main)
