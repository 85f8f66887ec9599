"""Jobs: processes that depend on each other's files, several at a time, each with a log of its own."""
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import Callable, List, NamedTuple

from utils.files import RunError, make_folder

LOG_TAIL = 5  # lines shown of a failed job's log
GRACE = 10  # seconds from SIGTERM to SIGKILL for a child that does not end
PR_SET_PDEATHSIG = 1


class Job(NamedTuple):
    """One process and how to tell that it is done."""
    name: str
    command: List[str]
    log: str
    needs: List[str]            # names of the jobs that make its inputs
    cost: float                 # about proportional to its time
    finished: Callable          # () -> its result as a dict, or None


class Ended(NamedTuple):
    """How a job ended."""
    job: Job
    result: dict                # None if it failed or could not run
    reason: str                 # why there is no result
    ran: bool                   # False if it was finished before, or could not run


class Jobs:
    """Runs jobs, ``workers`` at a time, each as soon as those it needs are done and in the order given."""

    def __init__(self, jobs, workers, environment):
        self._jobs = {job.name: job for job in jobs}
        self._workers = workers
        self._environment = environment
        self._unavailable = set()   # names of the jobs without a result
        self._children = []
        self._starting = threading.Lock()
        self._stopping = False

    def run(self):
        """Yields an Ended for every job. When the caller or a signal breaks this off, the children end too."""
        order = TopologicalSorter({job.name: job.needs for job in self._jobs.values()})
        order.prepare()
        place = list(self._jobs).index
        pool, running = ThreadPoolExecutor(self._workers), set()
        try:
            while order.is_active():
                running |= {pool.submit(self._run, self._jobs[name]) for name in sorted(order.get_ready(), key=place)}
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for ended in (future.result() for future in done):
                    if ended.result is None:
                        self._unavailable.add(ended.job.name)
                    order.done(ended.job.name)
                    yield ended
        finally:
            self._stop()
            pool.shutdown()

    def _run(self, job):
        if self._stopping:
            return Ended(job, None, 'stopped', False)
        missing = [name for name in job.needs if name in self._unavailable]
        if missing:
            return Ended(job, None, 'not run: %s failed' % missing[0], False)
        try:
            result = job.finished()
            if result is not None:
                return Ended(job, result, '', False)
            make_folder(os.path.dirname(job.log))
            with open(job.log, 'ab') as log:
                log.write(b'$ %s\n' % shell_line(job.command).encode(errors='replace'))
                log.flush()
                status = self._process(job.command, log)
        except (RunError, OSError) as error:
            return Ended(job, None, str(error), False)
        result = job.finished() if status == 0 else None
        return Ended(job, result, 'exit status %s; the end of %s:\n%s' % (status, job.log, tail(job.log)), True)

    def _process(self, command, log):
        """The exit status of ``command``, whose output goes to ``log`` as it comes."""
        with self._starting:
            if self._stopping:
                return 'none'
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                     start_new_session=True, env=self._environment,
                                     preexec_fn=die_with_parent if sys.platform.startswith('linux') else None)
            self._children.append(child)
        return child.wait()

    def _stop(self):
        with self._starting:
            self._stopping = True
        for child in self._children:
            child.terminate()
        for child in self._children:
            try:
                child.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                child.kill()


def die_with_parent():
    """In a child on Linux: SIGTERM when the parent dies, even by SIGKILL, so that no orphan works on."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def shell_line(command):
    """The command as one would type it."""
    return ' '.join(map(shlex.quote, command))


def tail(path):
    with open(path, errors='replace') as file:
        return ''.join('    ' + line for line in file.readlines()[-LOG_TAIL:])
