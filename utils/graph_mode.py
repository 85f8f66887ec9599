"""``tf``: TensorFlow in graph mode, 1.13 or 2.x, with as little chatter as it allows.

All that use TensorFlow get it here.
"""
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # looked at once, while TensorFlow is imported

import tensorflow.compat.v1 as tf  # noqa: E402

tf.logging.set_verbosity(tf.logging.ERROR)
tf.disable_v2_behavior()
