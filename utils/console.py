"""What the scripts print: progress, and one line for an error. Its imports are quick."""
import builtins
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress

from tqdm import tqdm

from utils.files import RunError

BAR = '{desc} {percentage:3.0f} %|{bar}| {remaining} left{postfix}'
LINE = '{desc} {percentage:3.0f} %{postfix}, {remaining} left'
DEBUG = 'ZSKD_DEBUG'  # the environment variable that shows where an error came from
NOTICE = 0.1  # seconds in which a signal that was sent is noticed
IN_NOTEBOOK = hasattr(builtins, '__IPYTHON__')  # where a script shares its process


def end_on_ctrl_c():
    """From here until ``run``, Ctrl-C ends the process at once in one line, with status 130.

    Scripts call it before they import TensorFlow, which takes seconds.
    """
    ignored = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if not (ignored or IN_NOTEBOOK):
        signal.signal(signal.SIGINT, end_at_once)


def end_at_once(*_):
    """Ends the process: nothing is on disk yet, and no library that is being imported sees an error."""
    print_interrupted()
    os._exit(130)


def print_interrupted():
    with suppress(OSError, ValueError, AttributeError):  # nobody is there to read it
        print('interrupted', file=sys.stderr, flush=True)


def run(main):
    """Calls ``main`` and exits.

    The status is what it returns (None: 0), 1 with one line on stderr for what a user can mend, 130 after
    Ctrl-C and 143 after SIGTERM. With the environment variable DEBUG the traceback comes before that line.
    """
    _make_printable()
    with suppress(ValueError):  # not in the main thread: signals go to others
        signal.signal(signal.SIGTERM, _terminate)
        if signal.getsignal(signal.SIGINT) is end_at_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        try:
            status = main()
            sys.stdout.flush()
        except BrokenPipeError as error:
            time.sleep(NOTICE)  # ``| tee`` gets Ctrl-C as well, and may be gone before it is noticed here
            for kind in (KeyboardInterrupt, _Terminated):
                if _came_from(error, kind):
                    raise kind from error
            raise
    except RunError as error:
        _exit('error: %s' % error)
    except BrokenPipeError:
        _exit('error: the program that read the output has ended; give the same command again')
    except OSError as error:
        _exit('error: %s%s' % (error.strerror or error, ': %r' % error.filename if error.filename else ''))
    except subprocess.CalledProcessError as error:
        _exit('error: %s ended with status %d' % (' '.join(error.cmd), error.returncode))
    except MemoryError:
        _exit('error: out of memory; use a smaller rate, --batch_size or --copies')
    except KeyboardInterrupt:
        print_interrupted()
        _exit_in_silence(130)
    except _Terminated:
        _exit_in_silence(143)
    except Exception as error:
        if type(error).__name__ != 'ResourceExhaustedError':  # TensorFlow's, which is not imported here
            raise
        _exit('error: TensorFlow is out of memory; use a smaller --batch_size or fewer --jobs')
    _exit(status)


class _Terminated(SystemExit):
    pass


def _terminate(*_):
    raise _Terminated


def _make_printable():
    """Lets any text be printed to any stream, each line at once. A closed stream takes it and drops it."""
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w'))
        if hasattr(getattr(sys, name), 'reconfigure'):  # a notebook's has not
            # No path, nor a table's ±, is too strange for any terminal.
            getattr(sys, name).reconfigure(errors='backslashreplace', line_buffering=True)


def _came_from(error, kind):
    """Whether an exception was raised while one of a ``kind`` was being handled."""
    while error and not isinstance(error, kind):
        error = error.__context__
    return error is not None


def _exit(status):
    """sys.exit, but what can no longer be printed does not change the exit status."""
    if isinstance(status, str) and os.environ.get(DEBUG):
        with suppress(OSError):
            traceback.print_exc()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _exit_in_silence(status):
    if not IN_NOTEBOOK:
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C has nothing to say
        # TensorFlow's objects that were interrupted while they were made complain when they are dropped.
        sys.stderr = open(os.devnull, 'w')
    _exit(status)


class Progress:
    """A bar with time left on a terminal; where the output is a file, a plain line per ``show``.

    total: how much there is to do, in any unit; label: the word for it; done: how much was done before.
    """

    def __init__(self, total, label, done=0):
        self._terminal = sys.stdout.isatty()
        self._file = sys.stdout if self._terminal else open(os.devnull, 'w')
        # disable, initial, gui: else a user's TQDM_DISABLE and the like have a say in them.
        self._bar = tqdm(total=total, desc=label, smoothing=0, dynamic_ncols=True, bar_format=BAR,
                         file=self._file, disable=False, initial=done, gui=False)

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
        text = ', '.join('%s %.4g' % pair for pair in values.items())
        self._bar.set_postfix_str(text, refresh=self._terminal)
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
        text = ', '.join('%s %.0f %%' % (name, 100 * share) for name, share in shares.items())
        self._bar.set_postfix_str(text, refresh=self._terminal)
