"""Class similarity as the teacher's last layer holds it, and the soft targets drawn from it (paper, section 3.2)."""
import numpy as np


def class_similarity(fc2_weights):
    """The concentration matrix C: cosine similarity between class templates, rows scaled to [0, 1] (eq. 2).

    fc2_weights [84, 10], one column per class. Returns float64 [10, 10]; row k is 1 at k, 0 at the
    class least like k.
    """
    templates = np.asarray(fc2_weights, np.float64)
    templates = templates / np.linalg.norm(templates, axis=0)
    cosine = templates.T @ templates
    low, high = cosine.min(axis=1, keepdims=True), cosine.max(axis=1, keepdims=True)
    return (cosine - low) / (high - low)


def dirichlet_targets(similarity, count, betas, rng):
    """Soft targets y ~ Dirichlet(beta * C[k]), as many for every class and beta.

    similarity C [10, 10] in [0, 1]; betas > 0; rng a numpy RandomState. Returns float32 [count, 10], rows sum to 1;
    row i is of class i mod 10, so what does not divide evenly goes to the first classes and betas.
    """
    classes = len(similarity)
    index = np.arange(count)
    concentration = np.asarray(betas)[index // classes % len(betas), None] * similarity[index % classes]
    # The least similar class has concentration 0; a Dirichlet needs more than that.
    gamma = rng.standard_gamma(np.maximum(concentration, 1e-8))
    return (gamma / gamma.sum(axis=1, keepdims=True)).astype(np.float32)
