"""Learning rate over the steps of a run."""
import math

WARMUP = 0.1  # share of the steps


def learning_rate(peak, step, steps, schedule):
    """Adam's learning rate for ``step`` in 0..steps-1, a float in (0, peak].

    'constant': ``peak`` throughout. 'cosine': from ``peak`` to nearly 0 along half a cosine. 'warmup':
    the cosine times a factor that grows to 1 over the first WARMUP of the steps.
    """
    if schedule == 'constant':
        return peak
    cosine = (1 + math.cos(math.pi * step / steps)) / 2
    growth = min(1.0, (step + 1) / (WARMUP * steps)) if schedule == 'warmup' else 1.0
    return peak * growth * cosine
