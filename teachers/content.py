"""What a file holds, told from its first bytes and its table of contents. Nothing in it is executed."""
import io
import pickletools
import zipfile

from utils.files import RunError, open_file, read_bytes

START = 1 << 16  # bytes that are looked at
MAGIC = (b'\x89HDF\r\n\x1a\n', 'h5'), (b'MATLAB 5.0 MAT-file', 'mat')
ONNX_EXPORT = "torch.onnx.export(model, images, 'teacher.onnx')"
ONNX_FIELDS = [b'\x12', b'\x1a', b'\x22', b'\x28', b'\x32', b'\x3a', b'\x42']  # what may come second
# Formats that are not read, and what to give instead.
TFLITE = 'is a TFLite file, which has no gradient; give the Keras model or SavedModel it was made from'
TENSORFLOW_JS = 'is a model of TensorFlow.js; convert it to a Keras .h5 file with tensorflowjs_converter'
SAFETENSORS = 'holds safetensors, which are weights alone; give the whole network as ONNX: ' + ONNX_EXPORT
PICKLED_MODEL = ('is a whole pickled model of PyTorch, and reading it would run code; save it where it was '
                 'made: ' + ONNX_EXPORT)
TORCHSCRIPT = ('is a network of TorchScript, which only PyTorch can run; save it where it was made: '
               + ONNX_EXPORT)


def content_format(path):
    """The format of a file, as teachers/formats.py calls it; None where its content does not tell.

    Raises RunError for a format that is known and not read; its line names the one to give.
    """
    start = read_bytes(path, START)
    for magic, file_format in MAGIC:
        if start.startswith(magic):
            return file_format
    if start.startswith(b'PK'):
        return _of_zip(path)
    if start[4:8] == b'TFL3':
        raise RunError('%r %s' % (path, TFLITE))
    if start.lstrip().startswith(b'{') and (b'"modelTopology"' in start or b'"weightsManifest"' in start):
        raise RunError('%r %s' % (path, TENSORFLOW_JS))
    if start[8:10] == b'{"' and b'"dtype"' in start and b'"data_offsets"' in start:
        raise RunError('%r %s' % (path, SAFETENSORS))
    if start[:1] == b'\x80':  # PyTorch before 1.6: a few pickles in a row
        _check_pickle(path, read_bytes(path))
        return 'torch'
    if start[:1] == b'\x08' and b'\x03' <= start[1:2] < b'\x20' and start[2:3] in ONNX_FIELDS:
        return 'onnx'  # its first field is the version of the format, 3 or more
    return None


def _of_zip(path):
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            pickles = [archive.read(name) for name in names if name.split('/')[-1] == 'data.pkl']
    except Exception:  # zipfile fails in many ways on a damaged archive; its reader says what is wrong
        return None
    if 'model.weights.h5' in names:
        return 'keras'
    if pickles:
        if any('/code/' in name for name in names):
            raise RunError('%r %s' % (path, TORCHSCRIPT))
        for content in pickles:
            _check_pickle(path, content)
        return 'torch'
    return 'npz' if names and all(name.endswith('.npy') for name in names) else None


def _check_pickle(path, content):
    """Raises RunError where the pickles name classes of layers, as whole models do."""
    stream = io.BytesIO(content)
    try:
        for _ in range(5):  # PyTorch's old format has three before the weights
            for _operation, argument, _place in pickletools.genops(stream):
                # GLOBAL holds the module and the name; before STACK_GLOBAL they stand as texts.
                if isinstance(argument, str) and argument.startswith('torch.nn.modules'):
                    raise RunError('%r %s' % (path, PICKLED_MODEL))
    except (ValueError, IndexError, UnicodeDecodeError):  # the end of the pickles, or a damaged one
        return
