"""What the scripts print: progress, and one line for whatever goes wrong."""
import os
import signal
import sys

from tqdm import tqdm

from utils.files import RunError

BAR = '{desc} {percentage:3.0f} %|{bar}| {remaining} left{postfix}'
LINE = '{desc} {percentage:3.0f} %{postfix}, {remaining} left'


def run(main):
    """Calls ``main`` and exits: 0 when it returns, 1 with one line on stderr for what a user can mend,
    130 after Ctrl-C and 143 after SIGTERM."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.stdout.reconfigure(errors='backslashreplace')  # no path, nor a table's ±, is too strange for any terminal
    try:
        sys.exit(main())
    except RunError as error:
        sys.exit('error: %s' % error)
    except OSError as error:
        sys.exit('error: %s%s' % (error.strerror or error, ': %r' % error.filename if error.filename else ''))
    except MemoryError:
        sys.exit('error: out of memory; use a smaller rate, --batch_size or --copies')
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        _leave(130)
    except _Terminated:
        _leave(143)


class _Terminated(SystemExit):
    pass


def _terminate(*_):
    raise _Terminated


def _leave(status):
    # TensorFlow's objects that were interrupted while they were made complain when they are dropped.
    sys.stderr = open(os.devnull, 'w')
    sys.exit(status)


class Progress:
    """A bar with time left on a terminal; where the output is a file, a plain line per ``show``."""

    def __init__(self, total, what, initial=0):
        self._terminal = sys.stdout.isatty()
        self._file = sys.stdout if self._terminal else open(os.devnull, 'w')
        self._bar = tqdm(total=total, initial=initial, desc=what, smoothing=0, dynamic_ncols=True, bar_format=BAR, file=self._file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()
        if not self._terminal:
            self._file.close()

    def update(self, amount=1):
        self._bar.update(amount)

    def show(self, **values):
        """Shows the values as e.g. 'loss 0.12, lr 0.01' beside the bar."""
        self._bar.set_postfix_str(', '.join('%s %.4g' % pair for pair in values.items()), refresh=self._terminal)
        if not self._terminal:
            self._print_line()

    def _print_line(self):
        print(tqdm.format_meter(**dict(self._bar.format_dict, bar_format=LINE)), flush=True)


class TableProgress(Progress):
    """Progress of many jobs: how many are done, which are running and how far, and the time left.

    total: the cost of all, in any unit that is about proportional to time.
    """

    def __init__(self, total, jobs):
        super().__init__(total, 'table')
        self._jobs, self._ended, self._cost = jobs, 0, 0.0

    def ended(self, text, cost, ran):
        """A job has ended; one that did not run (it was done before) says nothing of the time left."""
        self._ended += 1
        self._cost += cost
        if not ran:
            self._bar.initial += cost
        self.running({}, 0.0)
        if self._terminal:
            tqdm.write(text)
        else:
            self._bar.set_postfix_str(text, refresh=False)
            self._print_line()

    def note(self, text):
        """Prints a line beside the bar."""
        tqdm.write(text)
        sys.stdout.flush()

    def running(self, shares, cost):
        """shares: {name of a running job: share done}; cost: what they have done in all."""
        self._bar.n = self._cost + cost
        self._bar.set_description_str('table: %d of %d jobs' % (self._ended, self._jobs), refresh=False)
        self._bar.set_postfix_str(', '.join('%s %.0f %%' % (name, 100 * share) for name, share in shares.items()),
                                  refresh=self._terminal)
