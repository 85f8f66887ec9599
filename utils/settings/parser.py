"""The parser of all scripts: the types of flags, reading flags, and turning them into a command line."""
import argparse
import math
import os
import re
import sys

from nets import PAIRS
from utils.data.datasets import DATASETS, NOMINAL
from utils.files import FlagError
from utils.settings.methods import DISTILLATIONS


class Parser(argparse.ArgumentParser):
    """Shows defaults. Reports a wrong flag in one line, with exit status 2.

    A flag without a default is None until it is given; ``given`` leaves it out.
    """

    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        def _get_help_string(self, action):
            return action.help if action.default is None else super()._get_help_string(action)

    def __init__(self, **options):
        super().__init__(formatter_class=self.Formatter, allow_abbrev=False, **options)
        # argparse takes -1e-3 for a flag.
        self._negative_number_matcher = re.compile(r'-(\d+\.?|\d*\.\d+)(e[-+]?\d+)?$', re.IGNORECASE)

    def error(self, message):
        self.exit(2, '%s: error: %s; see --help\n' % (self.prog, message))

    def given(self, words=None):
        """{flag: value} of the flags that ``words`` hold or that have a default.

        words: by default the command line.
        """
        return {name: value for name, value in vars(self.parse_args(words)).items() if value is not None}

    def checked(self, function, *arguments):
        """What ``function`` returns of the arguments; a FlagError ends the process as a wrong flag."""
        try:
            return function(*arguments)
        except FlagError as error:
            self.error(error)

    def typed(self, words):
        """{flag: value} of the flags in ``words``, even if they are at their default."""
        unset = argparse.Namespace(**{action.dest: None for action in self._actions})
        return {name: value for name, value in vars(self.parse_args(words, unset)).items()
                if value is not None}

    def add_hyper_parameters(self, table):
        """A flag for every row of a table of utils/settings/hyper_parameters.py."""
        group = self.add_argument_group('hyper-parameters (defaults: below)')
        for row in table.values():
            kind = number(row.kind, row.low, row.high, row.above) if row.kind is not str else str
            group.add_argument('--' + row.name, type=kind, choices=row.choices or None,
                               nargs='+' if row.several else None, help=row.meaning)


def command_line(flags):
    """{flag: value} as the words of a command line."""
    words = []
    for name, value in flags.items():
        if isinstance(value, list):
            words += ['--' + name] + [str(item) for item in value]
        elif value is True:
            words.append('--' + name)
        elif value is not False:
            words.append('--%s=%s' % (name, value))
    return words


def joined(argv, *names):
    """The words of a command line, where '--training' '--steps=5' are one word.

    As two, argparse takes the second for a flag.
    """
    words, result = list(argv if argv is not None else sys.argv[1:]), []
    for word in words:
        if result and result[-1] in names and word.startswith('-'):
            result[-1] += '=' + word
        else:
            result.append(word)
    return result


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

    It is rounded to the digits in file names, so that two rates never share a name.
    """
    return float('%g' % number(float, 100 / NOMINAL, 100)(text))


def distillation(text):
    """An argparse type: None, Soft_logits-R or ZSKD-R."""
    kind, _, percent = text.partition('-')
    if text == 'None':
        return text
    if kind not in DISTILLATIONS or not percent:
        raise argparse.ArgumentTypeError('%r is not None, Soft_logits-R or ZSKD-R' % text)
    return '%s-%g' % (kind, rate(percent))


def dataset(text):
    """An argparse type: a known data set, the path of a .npz file, or none."""
    if text not in [*DATASETS, 'none'] and not text.lower().endswith('.npz'):
        raise argparse.ArgumentTypeError('%r is not %s, FILE.npz or none' % (text, ', '.join(DATASETS)))
    return path(text)


def nets(text):
    """An argparse type: a known pair, or the path of a Python file."""
    if text not in PAIRS and not text.endswith('.py'):
        raise argparse.ArgumentTypeError('%r is not %s or FILE.py' % (text, ', '.join(PAIRS)))
    return path(text)


def path(text):
    """An argparse type: a path, with ~ for the home folder."""
    if not text or '\0' in text:
        raise argparse.ArgumentTypeError('a path cannot be empty or hold a zero byte')
    return os.path.expanduser(text)
