"""Learning rate over the steps of a run."""
import math


def learning_rate(start, step, steps, schedule='cosine'):
    """The rate for ``step`` in 0..steps-1: ``start`` throughout ('constant'), or from ``start`` to
    nearly 0 along half a cosine ('cosine')."""
    if schedule == 'constant':
        return start
    return start * (1 + math.cos(math.pi * step / steps)) / 2
