"""The types of flags: what argparse makes of a word, or the message with which it refuses one."""
import argparse
import math
import os

from nets import PAIRS
from utils import recipes
from utils.datasets import DATASETS
from utils.methods import DISTILLATIONS


class Range(argparse.Action):
    """An argparse action for two numbers that rise."""

    def __call__(self, parser, namespace, values, option_string=None):
        if not values[0] < values[1]:
            parser.error('%s: %g is not below %g' % (option_string, *values))
        setattr(namespace, self.dest, values)


def number(kind, low, high=math.inf, above=False):
    """An argparse type: a finite ``kind`` (int or float) from ``low``, or above it, up to ``high``."""
    def parse(text):
        value = kind(text)
        if not ((low < value if above else low <= value) and value <= high and value < math.inf):
            raise argparse.ArgumentTypeError('%s is not %s %g%s' % (
                text, 'above' if above else 'at least', low,
                '' if high == math.inf else ' and at most %g' % high))
        return value
    # What argparse calls it where ``kind`` fails.
    parse.__name__ = 'whole number' if kind is int else 'number'
    return parse


def rate(text):
    """An argparse type: a rate in per cent that makes at least one image, up to 100.

    It has the digits that file names show, so that two rates never share a name.
    """
    return float('%g' % number(float, 100 / recipes.NOMINAL, 100)(text))


def distillation(text):
    """An argparse type: None, Soft_logits-R or ZSKD-R."""
    kind, _, percent = text.partition('-')
    if text != 'None':
        if kind not in DISTILLATIONS or not percent:
            raise argparse.ArgumentTypeError('%r is none of None, Soft_logits-R, ZSKD-R' % text)
        return '%s-%g' % (kind, rate(percent))
    return text


def dataset(text):
    """An argparse type: a known data set, the path of a .npz file, or none."""
    if text not in [*DATASETS, 'none'] and not text.lower().endswith('.npz'):
        raise argparse.ArgumentTypeError('%r is none of %s, FILE.npz, none' % (text, ', '.join(DATASETS)))
    return path(text)


def nets(text):
    """An argparse type: a known pair, or the path of a Python file."""
    if text not in PAIRS and not text.endswith('.py'):
        raise argparse.ArgumentTypeError('%r is none of %s, FILE.py' % (text, ', '.join(PAIRS)))
    return path(text)


def path(text):
    """An argparse type: a path, with ~ for the home folder."""
    if not text or '\0' in text:
        raise argparse.ArgumentTypeError('a path cannot be empty or hold a zero byte')
    return os.path.expanduser(text)
