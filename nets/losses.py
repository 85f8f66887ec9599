"""The losses of zero-shot distillation (Nayak et al., ICML 2019)."""
from utils.graph_mode import tf


def distillation_loss(student_logits, teacher_logits, temperature):
    """Mean over the batch of KL(softmax(teacher / T) || softmax(student / T)), in nats (paper, eq. 1).

    Both logits [B, classes] float32; temperature T > 0. The teacher's logits get no gradient.
    """
    teacher_log = tf.nn.log_softmax(tf.stop_gradient(teacher_logits) / temperature)
    student_log = tf.nn.log_softmax(student_logits / temperature)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(teacher_log) * (teacher_log - student_log), axis=1))


def impression_loss(targets, teacher_logits, temperature):
    """Sum over the batch of the cross entropy CE(y, softmax(teacher(x) / T)), in nats (paper, eq. 3).

    targets [B, classes] with rows summing to 1, teacher_logits [B, classes]. A sum, not a mean: each
    impression's gradient is its own, whatever else is in the batch.
    """
    logits = teacher_logits / temperature
    return tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits_v2(labels=targets, logits=logits))


def l2_penalty(role):
    """Sum over all weights of a network of half their squared norm.

    Scalar. Biases and batch norm do not count.
    """
    return tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables(role + '/') if len(v.shape) > 1])
