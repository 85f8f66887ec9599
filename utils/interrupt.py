"""Ctrl-C while a script imports TensorFlow, which takes seconds. This module has hardly any imports."""
import builtins
import os
import signal
import sys

IN_NOTEBOOK = hasattr(builtins, '__IPYTHON__')  # where a script shares its process


def end_on_ctrl_c():
    """From here until utils.console.run, Ctrl-C ends the process at once in one line, with status 130."""
    ignored = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if not (ignored or IN_NOTEBOOK):
        signal.signal(signal.SIGINT, end_at_once)


def end_at_once(*_):
    """Ends the process: nothing is on disk yet, and no library that is being imported sees an error."""
    say_interrupted()
    os._exit(130)


def say_interrupted():
    try:
        print('interrupted', file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):  # nobody is there to read it
        pass
