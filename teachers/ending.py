"""The end of a network: its logits, and a template for each class, whatever layers it ends in.

From the logits a walk leads back over operations that are affine in the images: dense layers, convolutions,
factors, batch norm in use, means. Where they end are the features. The Jacobian of the logits there is the
same for every image, and its rows are the class templates: for one dense layer, the columns of its weights.
"""
import numpy as np

from utils.graph_mode import tf

AFTER_LOGITS = 'Softmax', 'LogSoftmax', 'ArgMax', 'Relu', 'Relu6', 'Sigmoid'
PASSED_ON = 'Identity', 'IdentityN', 'Reshape', 'Squeeze', 'Cast', 'EnsureShape', 'StopGradient'
# Affine in any one of their inputs, and in the first alone.
AFFINE = 'MatMul', 'BatchMatMul', 'BatchMatMulV2', 'Einsum', 'Add', 'AddV2', 'Sub', 'Mul', 'Identity', 'Neg'
AFFINE_IN_FIRST = ('BiasAdd', 'RealDiv', 'Conv2D', 'DepthwiseConv2dNative', 'AvgPool', 'Mean', 'Sum',
                   'Reshape', 'Squeeze', 'ExpandDims', 'EnsureShape', 'Transpose', 'Pad', 'PadV2')
NORMS = 'FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3'
AT_ONCE = 64  # rows of a Jacobian


def varying(graph, images=None):
    """The operations of a graph whose output depends on a placeholder, or on the tensor ``images``."""
    found = {images.op} if images is not None else set()
    for operation in graph.get_operations():  # each after its inputs
        if operation.type == 'Placeholder' or any(tensor.op in found for tensor in operation.inputs):
            found.add(operation)
    return found


def logits_before(tensor):
    """(the tensor that a softmax, ReLU or the like leads back to, the types of those stepped over).

    A sigmoid is stepped over where there is one output: with more, an image may be of several classes; a
    softmax where there is one for each image. Unknown lengths are looked at when the network has run.
    """
    stepped_over = []
    while tensor.op.type in AFTER_LOGITS + PASSED_ON:
        shape = tensor.shape.as_list()[1:] if tensor.shape.ndims else [None]
        long = [n for n in shape if n and n > 1]
        if (tensor.op.type == 'Sigmoid' and (long or shape[-1:] == [None])
                or 'Softmax' in tensor.op.type and len(long) > 1):
            break
        if tensor.op.type in AFTER_LOGITS:
            stepped_over.append(tensor.op.type)
        tensor = tensor.op.inputs[tensor.value_index if tensor.op.type == 'IdentityN' else 0]
    return tensor, stepped_over


def cast_to_float(images):
    """The first tensor of floats behind one of whole numbers; None where there is none."""
    waiting = [images]
    for tensor in waiting:
        if tensor.dtype.is_floating:
            return tensor
        waiting += [output for user in tensor.consumers() for output in user.outputs
                    if not any(output is other for other in waiting)]
    return None


def features_of(logits, images, vary):
    """The tensor from which on a network is affine up to its logits; the logits where it is not at all.

    images: the tensor that takes them, at which the walk ends, or None; vary: of ``varying``.
    """
    tensor = logits
    while tensor is not images:
        source = _affine_source(tensor.op, vary) if tensor.value_index == 0 else None
        if source is None:
            break
        tensor = source
    return tensor


def _affine_source(operation, vary):
    """The one input that varies, if an operation is affine in it; None otherwise."""
    sources = [(place, tensor) for place, tensor in enumerate(operation.inputs) if tensor.op in vary]
    if len(sources) != 1:
        return None
    (place, source), = sources
    if operation.type in NORMS:
        affine = place == 0 and not operation.get_attr('is_training')
    elif operation.type == 'Cast':
        affine = source.dtype.is_floating
    else:
        affine = operation.type in AFFINE or place == 0 and operation.type in AFFINE_IN_FIRST
    return source if affine else None


def jacobian(sess, logits, features, example):
    """d logits / d features, float32 [values of the features, classes], in the session of a graph.

    logits: a tensor [B, classes] of fixed classes; example: the value of ``features`` for one image or more.
    """
    classes, shape = logits.shape.as_list()[1], example.shape[1:]
    rows = tf.placeholder(logits.dtype, [None, classes])
    gradient, = tf.gradients(logits, features, rows)
    found = []
    for start in range(0, classes, AT_ONCE):
        chosen = np.eye(classes)[start:start + AT_ONCE]
        anywhere = np.zeros((len(chosen),) + shape, example.dtype)
        found.append(sess.run(gradient, {rows: chosen, features: anywhere}).reshape(len(chosen), -1))
    return np.concatenate(found).T.astype(np.float32)


def batch_norms(graph, vary):
    """[(input, mean, variance)], tensors, of the batch norms in a graph of a network in use.

    They are fused operations, or products and sums as Keras and tf.nn.batch_normalization make them. Those
    that a converter has folded into other weights are not found.
    """
    found = []
    for operation in graph.get_operations():
        if (operation.type in NORMS and not operation.get_attr('is_training')
                and operation.get_attr('data_format') == b'NHWC'):
            x, _, _, mean, variance = operation.inputs
            found.append((x, mean, variance))
        elif operation.type == 'Rsqrt' and operation not in vary:
            found += _norm_of_root(operation, vary)
    return [(x, mean, variance) for x, mean, variance in found
            if x.op in vary and not {mean.op, variance.op} & vary]


def _norm_of_root(root, vary):
    """The same where ``root`` is 1 / sqrt(variance + epsilon): x * factor + (offset - mean * factor)."""
    total = root.inputs[0].op
    # Epsilon has no axis. Keras puts axes of 1 before the channels.
    variances = [tensor for tensor in total.inputs
                 if tensor.shape.ndims and set(tensor.shape.as_list()[:-1]) <= {1}]
    if total.type not in ('Add', 'AddV2') or len(variances) != 1:
        return []
    products = [user for user in root.outputs[0].consumers() if user.type == 'Mul']
    for factor in [root.outputs[0]] + [product.outputs[0] for product in products]:
        others = [(_other(user, factor), user) for user in factor.consumers() if user.type == 'Mul']
        inputs = [tensor for tensor, _ in others if tensor.op in vary]
        constant = [(tensor, user) for tensor, user in others if tensor.op not in vary]
        means = [tensor for tensor, user in constant if any(
            after.type in ('Sub', 'Neg') for after in user.outputs[0].consumers())]
        means += [tensor.op.inputs[0] for tensor, _ in constant if tensor.op.type == 'Neg']  # without offset
        if len(inputs) == len(means) == 1:
            return [(inputs[0], means[0], variances[0])]
    return []


def _other(operation, tensor):
    """The other one of the two inputs of an operation."""
    first, second = operation.inputs
    return second if first is tensor else first
