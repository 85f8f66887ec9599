"""Class similarity as the teacher's last layer holds it, and targets drawn from it (paper, section 3.2)."""
import numpy as np


def class_similarity(templates):
    """The concentration matrix C: cosine similarity between class templates, rows scaled to [0, 1] (eq. 2).

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
    """
    classes = len(similarity)
    index = np.arange(count)
    concentration = np.asarray(betas)[index // classes % len(betas), None] * similarity[index % classes]
    # The least similar class has concentration 0; a Dirichlet needs more than that.
    gamma = rng.standard_gamma(np.maximum(concentration, 1e-8))
    return (gamma / gamma.sum(axis=1, keepdims=True)).astype(np.float32)
