"""The mathematics of zero-shot distillation (Nayak et al., ICML 2019): similarity, targets, losses."""
import numpy as np

from utils.graph_mode import tf

BETAS_FOR = 10  # classes of the paper's data sets
# Where the largest concentration of a row is smaller, all its draws may be 0 in float64. They are drawn as
# logarithms then: Gamma(a) is Gamma(a + 1) * U^(1/a), U uniform in [0, 1], and -log(U) is exponential.
UNDERFLOWS = 0.05


def class_similarity(templates):
    """The concentration matrix C: cosine similarity of class templates, rows scaled to [0, 1] (eq. 2).

    templates [features, classes]: the weights of the last layer, a column per class, none of them all zeros.
    Returns float64 [classes, classes]; row k is 1 at k, 0 at the class least like k.
    """
    templates = np.asarray(templates, np.float64)
    templates = templates / np.linalg.norm(templates, axis=0)
    cosine = templates.T @ templates
    low, high = cosine.min(axis=1, keepdims=True), cosine.max(axis=1, keepdims=True)
    return (cosine - low) / (high - low)


def dirichlet_targets(similarity, count, betas, rng):
    """Soft targets y ~ Dirichlet(beta * C[k]), as many for every class and beta.

    similarity C [classes, classes] in [0, 1]; betas > 0; rng a numpy RandomState. Returns float32 [count,
    classes], rows sum to 1. Row i is of class i mod classes: what does not divide evenly goes to the first
    classes and betas.

    Of more than BETAS_FOR classes C is scaled down. The sums of its rows grow, and would make targets flat.
    """
    classes = len(similarity)
    index = np.arange(count)
    concentration = np.asarray(betas)[index // classes % len(betas), None] * similarity[index % classes]
    concentration *= min(1, BETAS_FOR / classes)
    # The least similar class has concentration 0; a Dirichlet needs more than that.
    concentration = np.maximum(concentration, 1e-8)
    gamma = rng.standard_gamma(concentration)
    tiny = concentration.max(axis=1) < UNDERFLOWS
    if tiny.any():
        shapes = concentration[tiny]
        logs = np.log(rng.standard_gamma(shapes + 1)) - rng.standard_exponential(shapes.shape) / shapes
        gamma[tiny] = np.exp(logs - logs.max(axis=1, keepdims=True))
    return (gamma / gamma.sum(axis=1, keepdims=True)).astype(np.float32)


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
