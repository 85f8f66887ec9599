"""Class similarity as the teacher's last layer holds it (paper, section 3.2.1)."""
import numpy as np


def class_similarity(fc2_weights):
    """The concentration matrix C: cosine similarity between class templates, rows scaled to [0, 1].

    fc2_weights [84, 10], one column per class. Returns float64 [10, 10]; row k is 1 at k, 0 at the
    class least like k.
    """
    templates = np.asarray(fc2_weights, np.float64)
    templates = templates / np.linalg.norm(templates, axis=0)
    cosine = templates.T @ templates
    low, high = cosine.min(axis=1, keepdims=True), cosine.max(axis=1, keepdims=True)
    return (cosine - low) / (high - low)
