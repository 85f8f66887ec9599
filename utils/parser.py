"""The parser of all scripts: how flags are declared and read, and how they become words again."""
import argparse
import sys

from utils.flag_types import number


class Parser(argparse.ArgumentParser):
    """Shows defaults, and says what is wrong in one line, with exit status 2.

    A flag without a default is None until it is given; ``given`` leaves it out.
    """

    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        def _get_help_string(self, action):
            return action.help if action.default is None else super()._get_help_string(action)

    def __init__(self, **options):
        super().__init__(formatter_class=self.Formatter, allow_abbrev=False, **options)

    def error(self, message):
        self.exit(2, '%s: error: %s; see --help\n' % (self.prog, message))

    def given(self, words=None):
        """{flag: value} of the flags that ``words`` hold or that have a default.

        words: by default the command line.
        """
        return {name: value for name, value in vars(self.parse_args(words)).items() if value is not None}

    def typed(self, words):
        """{flag: value} of the flags that ``words`` hold, be it their default."""
        unset = argparse.Namespace(**{action.dest: None for action in self._actions})
        return {name: value for name, value in vars(self.parse_args(words, unset)).items()
                if value is not None}

    def add_hyper_parameters(self, table):
        """A flag for every row of a table of utils/hyper_parameters.py."""
        group = self.add_argument_group('hyper-parameters (defaults: below)')
        for row in table.values():
            kind = number(row.kind, row.low, row.high, row.above) if row.kind is not str else str
            group.add_argument('--' + row.name, type=kind, choices=row.choices or None,
                               nargs='+' if row.several else None, help=row.meaning)


def command_line(flags):
    """The words that {flag: value} is on a command line."""
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
