"""Jobs: processes that depend on each other's files, each with a log of its own, run wherever a pool takes them."""
import collections
import ctypes
import itertools
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Callable, List, NamedTuple

from utils.files import make_folder
from utils.layout import REPOSITORY

LOG_TAIL = 5  # lines shown of a failed job's log
GRACE = 10  # seconds from SIGTERM to SIGKILL for a child that does not end
POLL = 1.0  # seconds between two looks at how far the running jobs are
LIBC = ctypes.CDLL(None) if sys.platform.startswith('linux') else None  # not loaded between fork and exec
PR_SET_PDEATHSIG = 1


class Job(NamedTuple):
    """One process and how to tell that it is done."""
    name: str
    command: List[str]          # a script of this project and its flags
    log: str
    needs: List[str]            # names of the jobs that make its inputs
    cost: float                 # about proportional to its time
    finished: Callable          # () -> (its row of the table, or None; why a record that it has does not hold, or '')


class Ended(NamedTuple):
    """How a job ended."""
    job: Job
    row: dict                   # of the table; None if it failed or could not run
    reason: str                 # why there is none
    ran: bool                   # False if it was finished before, or could not run


def run_jobs(jobs, pool, watch, again):
    """Yields an Ended for every job; each starts as soon as those it needs are done, in the order given.

    pool: where commands run, ``slots`` at a time, ``submit(command, log)`` -> Future of the exit status, after which it may
    take ``delay`` seconds until files are seen; watch: called about every POLL seconds with a list of jobs, among them those
    that run; again: called with a job whose record does not hold, and why, before it is run anew.
    """
    by_name = {job.name: job for job in jobs}
    waiting = {job.name: len(job.needs) for job in jobs}
    needed_by = collections.defaultdict(list)
    for job in jobs:
        for name in job.needs:
            needed_by[name].append(job)
    ended, submitted, without_row = queue.Queue(), {}, set()

    def start(job):
        missing = [name for name in job.needs if name in without_row]
        row, why = (None, '') if missing else job.finished()
        if missing or row is not None:
            ended.put((job, Ended(job, row, 'not run: %s failed' % missing[0] if missing else '', False)))
        else:
            if why:
                again(job, why)
            future = pool.submit(job.command, job.log)
            submitted[job.name] = job
            future.add_done_callback(lambda future: ended.put((job, future)))

    for job in jobs:
        if not job.needs:
            start(job)
    for _ in jobs:
        while True:
            try:
                job, outcome = ended.get(timeout=POLL)
                break
            except queue.Empty:
                # About the first come first; to look at all that wait would cost more than to run them, in a large table.
                watch(list(itertools.islice(submitted.values(), 2 * pool.slots)))
        if submitted.pop(job.name, None):
            outcome = _ended(job, outcome, pool.delay)
        if outcome.row is None:
            without_row.add(job.name)
        yield outcome
        for dependent in needed_by[job.name]:
            waiting[dependent.name] -= 1
            if not waiting[dependent.name]:
                start(by_name[dependent.name])


def _ended(job, future, delay):
    """What came of a process. Raises CancelledError where the whole pool is gone."""
    try:
        status = future.result()
    except CancelledError:
        raise
    except Exception as error:  # whatever keeps a pool from running it
        return Ended(job, None, str(error), False)
    deadline = time.monotonic() + delay
    row, why = job.finished() if status == 0 else (None, '')
    while status == 0 and row is None and time.monotonic() < deadline:
        time.sleep(POLL)
        row, why = job.finished()
    reason = '' if row is not None else '%s; the end of %s:\n%s' % (why or 'exit status %s' % status, job.log, tail(job.log))
    return Ended(job, row, reason, True)


class LocalPool:
    """Runs commands as child processes of this one, ``workers`` at a time. They end with it: on Linux however it ends,
    elsewhere unless it is killed outright (SIGKILL)."""

    delay = 0

    def __init__(self, workers, variables):
        """variables: {environment variable: value} for the commands, beside those of this process."""
        self.slots = workers
        self._threads = ThreadPoolExecutor(workers)
        self._variables = variables
        self._children = []
        self._starting = threading.Lock()
        self._stopping = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._starting:
            self._stopping = True
        stop(self._children)
        self._threads.shutdown()

    def submit(self, command, log):
        """A Future of the exit status of ``command``, whose output is added to the file ``log`` as it comes."""
        return self._threads.submit(self._call, command, log)

    def _call(self, command, log):
        with self._starting:
            if self._stopping:
                return 'none'
            child = spawn(command, log, self._variables)
            self._children.append(child)
        status = child.wait()
        self._children.remove(child)
        return status


def spawn(command, log, variables, folder='.'):
    """Starts a command as a child, which on Linux ends with the calling thread; ``log`` and its other paths begin at
    ``folder``."""
    log, command = os.path.join(folder, log), here(command)
    make_folder(os.path.dirname(log))
    with open(log, 'ab') as output:
        output.write(b'$ %s\n' % shell_line(command).encode(errors='replace'))
        output.flush()
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                                start_new_session=True, env=dict(os.environ, **variables),
                                preexec_fn=LIBC and die_with_parent)


def here(command):
    """A command as this machine starts it: a script with this interpreter, from this checkout."""
    if not command[0].endswith('.py'):
        return command
    return [sys.executable, '-u', os.path.join(REPOSITORY, command[0])] + command[1:]


def die_with_parent():
    """In a child on Linux: SIGTERM when the parent dies, even by SIGKILL, so that no orphan works on."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(children):
    """Ends processes: asks first, then kills."""
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            child.kill()


def shell_line(command):
    """The command as one would type it."""
    return ' '.join(map(shlex.quote, command))


def tail(path, lines=LOG_TAIL):
    try:
        with open(path, errors='replace') as file:
            return ''.join('    ' + line for line in file.readlines()[-lines:])
    except OSError as error:
        return '    (%s)' % error.strerror


def share_done(log, since):
    """How far a running job is, 0 to 1, as the last progress line of its log says; None if it has not begun.

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
