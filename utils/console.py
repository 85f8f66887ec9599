"""What the scripts print: progress, and one line for whatever goes wrong."""
import signal
import sys
import time

from tqdm import tqdm

from utils.files import RunError


def run(main):
    """Calls ``main`` and exits: 0 when it returns, 1 with one line on stderr for what a user can mend,
    130 after Ctrl-C and 143 after SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
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
        sys.exit(130)


class Progress:
    """A bar with time left on a terminal; where the output is a file, a plain line per ``show``."""

    def __init__(self, total, what):
        self._what = what
        self._started = time.time()
        self._bar = tqdm(total=total, desc=what, dynamic_ncols=True, file=sys.stdout, smoothing=0.1,
                         disable=not sys.stdout.isatty())
        self._total, self._done = total, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def update(self, amount=1):
        self._done += amount
        self._bar.update(amount)

    def skip(self, amount):
        """Takes work out of the total that turned out to be done already."""
        self._total -= amount
        self._bar.total = self._total
        self._bar.refresh()

    def show(self, text='', **values):
        """Shows the text, or the values as e.g. 'loss 0.12, lr 0.01', beside the bar."""
        text = text or ', '.join('%s %.4g' % pair for pair in values.items())
        self._bar.set_postfix_str(text)
        if self._bar.disable:
            share = self._done / self._total if self._total else 1.0
            left = tqdm.format_interval((time.time() - self._started) * (1 / share - 1)) if share else '?'
            print('%s %3.0f %%, %s, %s left' % (self._what, 100 * share, text, left), flush=True)
