"""Child processes on this machine: start, stop, exit status and log."""
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress

from utils.files import REPOSITORY, make_folder

GRACE = 10  # seconds from SIGTERM to SIGKILL for children that do not end
# What a child on Linux runs first: it gets SIGTERM when its parent dies, even by SIGKILL, so that no orphan
# works on. Popen's preexec_fn can hang where other threads run.
START = ('import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); '  # 1: PR_SET_PDEATHSIG
         'os.getppid() == int(sys.argv[1]) or sys.exit(143); os.execvp(sys.argv[2], sys.argv[2:])')
LOG_TAIL = 5  # lines shown of a failed job's log


def spawn(command, log, variables, folder='.'):
    """Starts a command as a child, which on Linux ends with the calling thread; returns its Popen.

    log: the file that its output is added to; variables: {environment variable: value} beside those of this
    process; folder: where the log's path and those in the command begin.
    """
    log, command = os.path.join(folder, log), local_command(command)
    make_folder(os.path.dirname(log))
    with open(log, 'ab') as output:
        output.write(b'$ %s\n' % shell_line(command).encode(errors='replace'))
        output.flush()
        if sys.platform.startswith('linux'):
            command = [sys.executable, '-S', '-c', START, str(os.getpid())] + command
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                cwd=folder, start_new_session=True, env=dict(os.environ, **variables))


def local_command(command):
    """A command as this machine starts it: a script with this interpreter, from this checkout."""
    if not command[0].endswith('.py'):
        return command
    return [sys.executable, '-u', os.path.join(REPOSITORY, command[0])] + command[1:]


def shell_line(command):
    """The command as a line for a shell."""
    return ' '.join(map(shlex.quote, command))


def stop(children):
    """Ends processes.

    Asks all of them, and kills those that are still there GRACE seconds later or at a Ctrl-C.
    """
    for child in children:
        with suppress(ProcessLookupError):  # another thread may just have seen its end
            child.terminate()
    deadline = time.monotonic() + GRACE
    try:
        for child in children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0, deadline - time.monotonic()))
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                child.kill()


def describe_status(status):
    """What an exit status means, as a phrase.

    A status below 0 is the signal that ended the process, as Popen has it.
    """
    if status >= 0:
        return 'exit status %d' % status
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = 'signal %d' % -status
    if name == 'SIGKILL':
        return ('killed by SIGKILL, probably out of memory; run fewer at a time, or use a smaller rate or '
                '--copies')
    if name == 'SIGILL':
        return ('ended by SIGILL: this processor probably lacks instructions (AVX) that this TensorFlow '
                'needs; use another machine, or a TensorFlow made for this one')
    return 'ended by %s' % name


def tail(path):
    """The last lines of a log, indented, or why it cannot be read."""
    try:
        with open(path, errors='replace') as file:
            return ''.join('    ' + line for line in file.readlines()[-LOG_TAIL:])
    except OSError as error:
        return '    (%s)' % error.strerror


def share_done(log, since):
    """The share of a running job that is done, 0 to 1, from its log; None if it has not begun.

    since: when its table was started, in seconds since the epoch; older lines are not of this run.
    """
    try:
        with open(log, 'rb') as file:
            if os.fstat(file.fileno()).st_mtime < since:
                return None
            file.seek(-min(1000, file.seek(0, os.SEEK_END)), os.SEEK_END)
            shares = re.findall(rb'^\S+ +(\d+) %', file.read().split(b'$ ')[-1], re.MULTILINE)
    except OSError:
        return None
    return int(shares[-1]) / 100 if shares else 0.0
