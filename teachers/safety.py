"""Looks into a network before any library builds it, so that nothing in a file is executed.

A graph may hold the operations of networks alone: none that reads or writes files, calls Python or opens a
connection. A Keras model may hold Keras' own layers alone, and none of those that hold code. Both are lists
of what is allowed, so what they do not know is refused.
"""
import json
import re

from utils.files import RunError

OPERATIONS = frozenset('''
    Const Placeholder PlaceholderWithDefault NoOp Identity IdentityN StopGradient PreventGradient Snapshot
    EnsureShape Cast Bitcast Shape ShapeN Size Rank Fill Empty ZerosLike OnesLike Range LinSpace DeepCopy Abs
    Neg Sign Reciprocal Inv Floor Ceil Round Rint Square Sqrt Rsqrt Exp Expm1 Log Log1p Sin Cos Tan Asin Acos
    Atan Atan2 Sinh Cosh Tanh Asinh Acosh Atanh Erf Erfc Erfinv Ndtri Lgamma Digamma Sigmoid IsNan IsInf
    IsFinite Add AddN AccumulateN Sub Mul MulNoNan Div DivNoNan RealDiv TruncateDiv FloorDiv FloorMod Mod
    TruncateMod Xdivy Xlogy Xlog1py Maximum Minimum Pow SquaredDifference ClipByValue Complex Real Imag Conj
    Equal NotEqual ApproximateEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot
    BitwiseAnd BitwiseOr BitwiseXor Invert LeftShift RightShift Select Where Mean Sum Prod Max Min All Any
    ArgMax ArgMin Cumsum Cumprod L2Loss EuclideanNorm TopK InTopK NthElement SegmentSum SegmentMean
    SegmentMax UnsortedSegmentSum UnsortedSegmentMax Bincount DenseBincount Relu Relu6 LeakyRelu Elu Selu
    Softplus Softsign Softmax LogSoftmax SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits
    MatMul BatchMatMul Einsum Cross Diag DiagPart MatrixDiag MatrixDiagPart MatrixBandPart MatrixSetDiag
    MatrixInverse Cholesky Qr Svd SelfAdjointEig Conv Conv2D Conv3D Conv2DBackpropInput Conv2DBackpropFilter
    Conv3DBackpropInput Conv3DBackpropFilter DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput
    DepthwiseConv2dNativeBackpropFilter Dilation2D Dilation2DBackpropInput Dilation2DBackpropFilter BiasAdd
    MaxPool MaxPool3D MaxPoolWithArgmax AvgPool AvgPool3D FractionalMaxPool FractionalAvgPool LRN
    FusedBatchNorm BatchNormWithGlobalNormalization _FusedConv2D _FusedMatMul _FusedBatchNormEx
    _FusedDepthwiseConv2dNative ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea CropAndResize
    ScaleAndTranslate ImageProjectiveTransform AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation
    RGBToHSV HSVToRGB ExtractImagePatches DecodeJpeg DecodePng DecodeBmp DecodeGif DecodeImage DecodeRaw
    DecodeBase64 ParseExample ParseSingleExample AsString Reshape Squeeze ExpandDims Transpose
    ConjugateTranspose InvertPermutation Concat ConcatOffset Split SplitV Pack Unpack Slice StridedSlice Tile
    BroadcastTo BroadcastArgs BroadcastGradientArgs Pad MirrorPad Gather GatherNd ResourceGather
    ResourceGatherNd Reverse ReverseSequence Roll OneHot ScatterNd TensorScatterUpdate TensorScatterAdd
    TensorScatterMax TensorScatterMin TensorScatterSub DynamicPartition DynamicStitch ParallelDynamicStitch
    Unique UniqueWithCounts SpaceToBatch SpaceToBatchND BatchToSpace BatchToSpaceND SpaceToDepth DepthToSpace
    Switch Merge RefSwitch RefMerge Enter RefEnter Exit RefExit NextIteration RefNextIteration LoopCond
    ControlTrigger Assert CheckNumerics If StatelessIf While StatelessWhile Case StatelessCase
    PartitionedCall StatefulPartitionedCall SymbolicGradient TensorArray TensorArrayRead TensorArrayWrite
    TensorArrayGather TensorArrayScatter TensorArrayConcat TensorArraySplit TensorArraySize TensorArrayClose
    EmptyTensorList TensorListReserve TensorListSetItem TensorListGetItem TensorListStack
    TensorListFromTensor TensorListGather TensorListScatter TensorListLength TensorListPushBack
    TensorListPopBack TensorListElementShape TensorListConcat TensorListSplit TensorListResize
    TensorListConcatLists Variable VarHandleOp ReadVariableOp DisableCopyOnRead VariableShape
    IsVariableInitialized VarIsInitializedOp Assign AssignAdd AssignSub AssignVariableOp AssignAddVariableOp
    AssignSubVariableOp RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal
    ParameterizedTruncatedNormal RandomShuffle Multinomial StatelessRandomUniform StatelessRandomUniformInt
    StatelessRandomUniformFullInt StatefulUniformInt StatefulUniformFullInt StatelessRandomNormal
    StatelessTruncatedNormal StatelessMultinomial StatelessRandomGetKeyCounter StatelessRandomGetAlg
    StatelessRandomGetKeyCounterAlg RngSkip RngReadAndSkip StatefulUniform StatefulStandardNormal
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel QuantizeAndDequantize
    Quantize Dequantize'''.split())
# Of the functions by which TensorFlow saves and restores a SavedModel, which are never called here.
SAVING = frozenset('Save Restore MergeV2Checkpoints ShardedFilename StringJoin StaticRegexFullMatch'.split())
CLASSES = frozenset('''
    Sequential Functional Model Network InputLayer InputSpec Dense EinsumDense Activation Dropout
    SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise
    ActivityRegularization Flatten Reshape Permute RepeatVector Masking Embedding Identity Conv1D Conv2D
    Conv3D Convolution1D Convolution2D Convolution3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
    Convolution2DTranspose SeparableConv1D SeparableConv2D SeparableConvolution2D DepthwiseConv1D
    DepthwiseConv2D LocallyConnected1D LocallyConnected2D UpSampling1D UpSampling2D UpSampling3D
    ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D MaxPooling1D MaxPooling2D
    MaxPooling3D MaxPool1D MaxPool2D MaxPool3D AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D
    AvgPool2D AvgPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalMaxPool2D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool2D
    AdaptiveAveragePooling2D AdaptiveMaxPooling2D BatchNormalization BatchNormalizationV1
    BatchNormalizationV2 SyncBatchNormalization LayerScale StochasticDepth LayerNormalization
    GroupNormalization UnitNormalization RMSNormalization SpectralNormalization ReLU LeakyReLU PReLU ELU
    ThresholdedReLU Softmax Add Subtract Multiply Average Maximum Minimum Concatenate Dot Attention
    AdditiveAttention MultiHeadAttention GroupQueryAttention GroupedQueryAttention RNN StackedRNNCells
    SimpleRNN SimpleRNNCell LSTM LSTMCell GRU GRUCell ConvLSTM1D ConvLSTM2D ConvLSTM3D TimeDistributed
    Bidirectional Rescaling Resizing Normalization CenterCrop RandomCrop RandomFlip RandomTranslation
    RandomRotation RandomZoom RandomContrast RandomBrightness RandomHue RandomSaturation RandomShear
    RandomErasing RandomGrayscale RandomColorJitter RandomSharpness RandomGaussianBlur RandomHeight
    RandomWidth Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal
    OrthogonalInitializer IdentityInitializer GlorotUniform GlorotNormal HeUniform HeNormal LecunUniform
    LecunNormal L1 L2 L1L2 OrthogonalRegularizer MaxNorm NonNeg UnitNorm MinMaxNorm Policy PolicyV1
    DTypePolicy FloatDTypePolicy RandAugment AugMix AutoContrast Equalization Solarization MixUp CutMix
    RandomPerspective RandomPosterization RandomInvert RandomElasticTransform RandomColorDegeneration
    ContrastLimitedAdaptiveHistogramEqualization Pipeline AdaptiveAveragePooling1D AdaptiveAveragePooling3D
    AdaptiveMaxPooling1D AdaptiveMaxPooling3D CategoryEncoding Discretization DTypePolicyMap SeedGenerator
    TensorShape __tuple__ __slice__ __ellipsis__ __keras_tensor__ __tensor__ __numpy__'''.split())
FUNCTIONS = frozenset('''
    linear relu relu6 leaky_relu elu celu selu gelu silu swish mish sigmoid hard_sigmoid hard_silu hard_swish
    log_sigmoid tanh hard_tanh softplus softsign softmax log_softmax exponential squareplus glu'''.split())
ARITHMETIC = re.compile(r'keras\.(src\.)?ops\.(numpy|nn|math|image|linalg)')  # modules of Keras 3
TRAINING = re.compile(r'keras\.(losses|metrics|optimizers(\.schedules)?)')  # a nested model is compiled
CORE = {'Cast', 'StopGradient', 'Slice', 'Unstack', 'Shape'}  # keras.ops.core has some that run functions


def check_graph(path, graph, restored_from=None):
    """Raises RunError where a GraphDef, or a function that it brings along, holds what no network needs.

    restored_from: the name of the constant with the checkpoint's name, the one file that it may read.
    """
    library = {function.signature.name: function.node_def for function in graph.library.function}
    nodes = [node for node in graph.node if node.op != 'RestoreV2' or node.input[0] != restored_from]
    for some in [nodes, *library.values()]:
        _check(path, some, library)


def check_saved_functions(path, meta_graph):
    """The same for the functions of a SavedModel of TensorFlow 2, a MetaGraphDef.

    Only those that are no part of the network may save and restore.
    """
    library = {function.signature.name: function.node_def
               for function in meta_graph.graph_def.library.function}
    used, waiting = set(), list(meta_graph.object_graph_def.concrete_functions)
    while waiting:
        name = waiting.pop()
        if name in library and name not in used:
            used.add(name)
            for node in library[name]:
                functions = [value for attribute in node.attr.values()
                             for value in [attribute.func, *attribute.list.func]]
                waiting += [node.op, *(function.name for function in functions)]
    for name, nodes in library.items():
        _check(path, nodes, library, () if name in used else SAVING)


def _check(path, nodes, library, more=()):
    for node in nodes:
        name = re.sub(r'(Grad|V\d+)+$', '', node.op)
        # A function is not called as operations are, so that it cannot hide one.
        function = node.op in library and not re.fullmatch(r'_?[A-Z][A-Za-z0-9>]*', node.op)
        if not (name in OPERATIONS or name in more or function or node.op.startswith('ResourceApply')):
            raise RunError('%r: its operation %s (%s) is not one that networks are made of, and may do '
                           'anything; give a frozen graph without it' % (path, node.name, node.op))


def check_layers(path, config):
    """Raises RunError where a Keras model's configuration, JSON, names what is not Keras' own, or code."""
    try:
        config = json.loads(config)
        config.pop('compile_config', None)  # of the training, which is not read
        _check_layers(path, config)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RunError('%r is damaged or no model of Keras (%s); save it again' % (path, error)) from error


def _check_layers(path, value):
    if isinstance(value, list):
        for each in value:
            _check_layers(path, each)
    if isinstance(value, dict):
        if 'class_name' in value and not _is_known(value):
            raise RunError("%r: its layer or function %s is not one of Keras' own, or holds code, which is "
                           'not run; build the network without it, or give a SavedModel'
                           % (path, value['class_name']))
        for each in value.values():
            _check_layers(path, each)


def _is_known(value):
    name, module = str(value['class_name']), str(value.get('module') or 'keras')
    if name == 'function':
        return value.get('config') in FUNCTIONS
    if ARITHMETIC.fullmatch(module) or TRAINING.fullmatch(module):
        return name.isidentifier()
    return module.split('.')[0] in ('keras', 'builtins') and (name in CLASSES or name in CORE)
