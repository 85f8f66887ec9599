"""Exports a trained network as what is deployed.

    python convert.py MNIST/zskd1/train_params.mat --to saved_model served/digits
    python convert.py MNIST/zskd1/train_params.mat --to digits.tflite
    python convert.py MNIST/zskd1/train_params.mat --to digits.keras
    python convert.py MNIST/zskd1/train_params.mat --to digits.h5
    python convert.py MNIST/zskd1/train_params.mat --to digits.pb
    python convert.py MNIST/zskd1/train_params.mat --to digits.npz

WEIGHTS is a train_params.mat, of a student or a teacher. The record beside it says which networks and data
set it is of; --nets and --dataset say it where there is no record. The export takes images [N, H, W, C] of
bytes, as large as those of the data set, and gives logits, probabilities and classes. An .npz holds the
weights alone. .tflite, .keras and .h5 need TensorFlow 2. See docs/serving.md.
"""
import os

from export.formats import SAVED_MODEL, SUFFIXES, check_available, export
from export.source import images_of, network_of
from nets import PAIRS
from utils.console import run
from utils.settings.parser import Parser, dataset, nets, path


def main(argv=None):
    weights, form, target, pair, data = flags(argv)
    check_available(form)
    network, record = network_of(weights, pair)
    image_shape, class_names = images_of(network, record, data)
    export(network, image_shape, class_names, form, target)
    print('%r: %s of %s, images uint8 [N, %d, %d, %d], %d classes%s, %d bytes' % (
        target, network.role.lower(), network.pair.name, *image_shape, network.classes,
        ' (%s)' % ', '.join(class_names) if class_names else '', size(target)))


def flags(argv):
    """(WEIGHTS, format, path of the export, --nets or None, --dataset or None)."""
    parser = Parser(prog='convert.py', description=__doc__)
    parser.add_argument('weights', type=path, metavar='WEIGHTS', help='weights of a student or a teacher')
    parser.add_argument('--to', required=True, nargs='+', type=path, metavar=('FILE', 'DIR'),
                        help='saved_model DIR, or a FILE whose suffix is the format: ' + ', '.join(SUFFIXES))
    parser.add_argument('--dataset', type=dataset, metavar='NAME',
                        help="the data set that says how large images are and what classes are called: a "
                             "known one, a file, or none for images of the networks' own size "
                             "(default: the record's)")
    parser.add_argument('--nets', type=nets, metavar='{%s,FILE.py}' % ','.join(PAIRS),
                        help="the pair of networks, or a file with one's own (default: the record's, else "
                             "the known pair whose variables the weights are)")
    args = parser.parse_args(argv)
    form = os.path.splitext(args.to[0])[1].lower()
    if args.to[0] == SAVED_MODEL and len(args.to) == 2:
        form = SAVED_MODEL
    elif form not in SUFFIXES or len(args.to) > 1:
        parser.error('--to takes %s DIR, or a file that ends in %s' % (SAVED_MODEL, ', '.join(SUFFIXES)))
    return args.weights, form, args.to[-1], args.nets, args.dataset


def size(place):
    """The bytes of a file, or of all files of a folder."""
    if not os.path.isdir(place):
        return os.path.getsize(place)
    return sum(os.path.getsize(os.path.join(folder, name))
               for folder, _, names in os.walk(place) for name in names)


if __name__ == '__main__':
    run(main)
