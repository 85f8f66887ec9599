"""Synthesises data impressions from a trained teacher: images of noise, changed until the teacher sees
in them what a Dirichlet draw over its own class similarities asks for (Nayak et al., ICML 2019).

    python Data_Impressions.py --Rate 40 --teacher Lenet5 --save_path DI

Writes DI-<Rate>.mat (train_images float32 [N, 32, 32, 1] in 0..255, train_labels float32 [N, 10], rows
sum to 1) and DI-<Rate>.json, which says how it was made and how well the teacher agrees.
"""
import time

import numpy as np
from scipy.special import rel_entr, softmax

from utils.console import run
from utils.flags import synthesis_flags
from utils.impressions import save_impressions
from utils.layout import synthesis_files
from utils.recipes import count
from utils.results import fingerprint, save_result
from utils.session import logits_of
from utils.synthesis import data_impressions


def main(argv=None):
    settings = synthesis_flags(argv)
    files = synthesis_files(settings)
    started, made_from = time.time(), fingerprint(settings, files.inputs)
    teacher, rng = files.inputs['teacher'], np.random.RandomState(settings.seed)
    images, targets = data_impressions(teacher, count(settings.Rate), settings, rng, 'DI-%g' % settings.Rate)
    logits = logits_of(teacher, 'Teacher', images, settings.threads)
    kl, targets_met = agreement_with(targets, logits, settings.temperature)

    print('%d impressions, mean KL to the targets at T = %g: %.4f, same class as the target: %.2f %%'
          % (len(targets), settings.temperature, kl, targets_met))
    save_impressions(files.outputs[0], images, targets)
    save_result(files, made_from, kl=kl, targets_met=targets_met, seconds=time.time() - started)


def agreement_with(targets, logits, temperature):
    """(mean KL(target || softmax(logits / T)) in nats, equal argmax in per cent); both [N, 10]."""
    kl = rel_entr(targets, softmax(logits.astype(float) / temperature, axis=1)).sum(axis=1).mean()
    return float(kl), float(100 * (targets.argmax(axis=1) == logits.argmax(axis=1)).mean())


if __name__ == '__main__':
    run(main)
