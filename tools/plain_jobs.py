"""A script's job as the published implementation runs it: the plain graph, the teacher in every step.

    python tools/plain_jobs.py train_w_distill.py FLAGS
    python tools/plain_jobs.py Data_Impressions.py FLAGS
"""
import functools
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import Data_Impressions
import train_w_distill
from teachers.trained import TrainedNetwork
from utils.console import run
from utils.graph_mode import image_bytes, session, tf

SCRIPTS = {'Data_Impressions.py': Data_Impressions, 'train_w_distill.py': train_w_distill}


class TeacherInEveryStep:
    """Stands for a teacher's answers to all images: computes those of a batch whenever they are asked for."""

    def __init__(self, teacher, images, threads, device):
        self._images = images
        with tf.Graph().as_default():
            self._pixels, seen = image_bytes(teacher.pair.image_shape)
            self._logits = teacher.logits(seen)
            self._sess = session(threads, device)
            teacher.restore(self._sess)

    def __getitem__(self, batch):
        return self._sess.run(self._logits, {self._pixels: self._images[batch]})


def main():
    name, *flags = sys.argv[1:] or ['']
    if name not in SCRIPTS:
        sys.exit(__doc__)
    TrainedNetwork.logits = functools.partialmethod(TrainedNetwork.logits, plain=True)
    if name == 'train_w_distill.py':
        for check in ('print_accuracy', 'check_logits'):  # they want all answers at once
            setattr(train_w_distill, check, lambda *arguments: None)
        TrainedNetwork.answers = lambda *arguments: TeacherInEveryStep(*arguments)
        train_w_distill.build_training = functools.partial(train_w_distill.build_training, plain=True)
    run(lambda: SCRIPTS[name].main(flags))


if __name__ == '__main__':
    main()
