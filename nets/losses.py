"""The losses of zero-shot distillation (Nayak et al., ICML 2019)."""
from utils.graph_mode import tf


def distillation_loss(student_logits, teacher_logits, temperature):
    """Mean over the batch of KL(softmax(teacher / T) || softmax(student / T)), in nats (paper, eq. 1).

    Both logits [B, 10] float32; temperature T > 0. The teacher's logits get no gradient.
    """
    teacher_log = tf.nn.log_softmax(tf.stop_gradient(teacher_logits) / temperature)
    student_log = tf.nn.log_softmax(student_logits / temperature)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(teacher_log) * (teacher_log - student_log), axis=1))


def impression_loss(targets, teacher_logits, temperature):
    """Sum over the batch of the cross entropy CE(y, softmax(teacher(x) / T)), in nats (paper, eq. 3).

    targets [B, 10] with rows summing to 1, teacher_logits [B, 10]. A sum, not a mean: then each impression's gradient is its
    own, whatever else is in the batch.
    """
    return tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits_v2(labels=targets, logits=teacher_logits / temperature))


@tf.custom_gradient
def total_variation(images):
    """Sum over a batch of the absolute differences between neighbouring pixels (Rudin et al., 1992; anisotropic); scalar.

    images [H, W, B]. Beyond the border everything is black and counts as a neighbour, as in the movements of
    utils/synthesis.py: otherwise what is found there leans on the border as bright patches, where it costs little. A prior on
    images found by descent (Mahendran and Vedaldi, CVPR 2015). The stock gradient takes longer than that of the whole network.
    """
    rows, columns = tf.pad(images, [[1, 1], [0, 0], [0, 0]]), tf.pad(images, [[0, 0], [1, 1], [0, 0]])
    down, right = rows[1:] - rows[:-1], columns[:, 1:] - columns[:, :-1]

    def grad(dy):
        sign_down, sign_right = [difference / (tf.abs(difference) + 1e-12) for difference in (down, right)]
        return dy * (sign_down[:-1] - sign_down[1:] + sign_right[:, :-1] - sign_right[:, 1:])

    return tf.reduce_sum(tf.abs(down)) + tf.reduce_sum(tf.abs(right)), grad


def l2_penalty(scope):
    """Sum over all weights (not biases) of the network ``scope`` of half the squared L2 norm; scalar."""
    return tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables(scope + '/')
                     if v.op.name.endswith('weights')])
