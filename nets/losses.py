"""The losses of zero-shot distillation (Nayak et al., ICML 2019)."""
from utils.graph_mode import tf


def distillation_loss(student_logits, teacher_logits, temperature):
    """Mean over the batch of KL(softmax(teacher / T) || softmax(student / T)), in nats (paper, eq. 1).

    Both logits [B, 10] float32; temperature T > 0. The teacher's logits get no gradient.
    """
    teacher_log = tf.nn.log_softmax(tf.stop_gradient(teacher_logits) / temperature)
    student_log = tf.nn.log_softmax(student_logits / temperature)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(teacher_log) * (teacher_log - student_log), axis=1))


def impression_loss(images, targets, teacher_logits, temperature, l2):
    """Sum over the batch of CE(y, softmax(teacher(x) / T)) + l2 * ||x||^2 / 2.

    The cross entropy is the paper's (eq. 3), the l2 term the published implementation's.
    images [B, 32, 32, 1], targets [B, 10] with rows summing to 1, teacher_logits [B, 10]. A sum, not a
    mean: then each impression's gradient is its own, whatever else is in the batch.
    """
    cross_entropy = tf.nn.softmax_cross_entropy_with_logits_v2(
        labels=targets, logits=teacher_logits / temperature)
    return tf.reduce_sum(cross_entropy) + l2 * tf.nn.l2_loss(images)


def l2_penalty(scope):
    """Sum over all weights (not biases) of the network ``scope`` of half the squared L2 norm; scalar."""
    return tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables(scope + '/')
                     if v.op.name.endswith('weights')])
