"""Jobs: processes that need each other's files; a pool runs them, each with a log."""
import collections
import itertools
import queue
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Callable, List, NamedTuple

from utils.table.processes import describe_status, spawn, stop, tail

POLL = 1.0  # seconds between two progress lines of the running jobs


class Job(NamedTuple):
    """One process and how to tell that it is done."""
    name: str
    command: List[str]          # a script of this project and its flags
    log: str
    needs: List[str]            # names of the jobs that make its inputs
    cost: float                 # about proportional to its time
    finished: Callable          # () -> (its row of the table, or None; why its record does not hold, or '')


class Ended(NamedTuple):
    """How a job ended."""
    job: Job
    row: dict                   # of the table; None if it failed or could not run
    reason: str                 # why there is none
    ran: bool                   # False if it was finished before, or could not run


def run_jobs(jobs, pool, show_running, announce_rerun):
    """Yields an Ended for every job. A job starts, in the given order, once the jobs that it needs are done.

    pool: where commands run, ``slots`` at a time, ``submit(command, log)`` -> Future of the exit status,
    after which it may take ``delay`` seconds until files are seen; show_running: called about every POLL
    seconds with a list of jobs, among them those that run; announce_rerun: called with a job whose record
    does not hold, and why, before it runs again.
    """
    return _Run(jobs, pool, show_running, announce_rerun).ends()


class _Run:
    """Jobs on their way: which wait, which are submitted, and whose record is not seen yet."""

    def __init__(self, jobs, pool, show_running, announce_rerun):
        self._pool, self._show_running, self._announce_rerun = pool, show_running, announce_rerun
        self._jobs, self._waiting = jobs, {job.name: len(job.needs) for job in jobs}
        self._needed_by = collections.defaultdict(list)
        for job in jobs:
            for name in job.needs:
                self._needed_by[name].append(job)
        self._ended, self._submitted, self._without_row = queue.Queue(), {}, set()
        # Of the jobs that ended well, but whose record is not seen yet: (when to look again, job, future), in
        # that order, and how long to do so.
        self._unseen, self._deadlines = collections.deque(), {}

    def ends(self):
        for job in self._jobs:
            if not job.needs:
                self._start(job)
        to_come = len(self._jobs)
        while to_come:
            job, end = self._next_end()
            if job.name in self._submitted:
                end = self._end_of_submitted(job, end)
                if end is None:
                    continue
                del self._submitted[job.name]
            to_come -= 1
            if end.row is None:
                self._without_row.add(job.name)
            yield end
            for dependent in self._needed_by[job.name]:
                self._waiting[dependent.name] -= 1
                if not self._waiting[dependent.name]:
                    self._start(dependent)

    def _start(self, job):
        missing = [name for name in job.needs if name in self._without_row]
        row, why = (None, '') if missing else job.finished()
        if missing or row is not None:
            reason = 'not run: %s failed' % missing[0] if missing else ''
            self._ended.put((job, Ended(job, row, reason, False)))
            return
        if why:
            self._announce_rerun(job, why)
        future = self._pool.submit(job.command, job.log)
        self._submitted[job.name] = job
        future.add_done_callback(lambda future: self._ended.put((job, future)))

    def _next_end(self):
        """(job, Ended, or the Future of its exit status)."""
        while True:
            if self._unseen and self._unseen[0][0] <= time.monotonic():
                return self._unseen.popleft()[1:]
            try:
                return self._ended.get(timeout=POLL)
            except queue.Empty:
                # The first come first. To look at all that wait can cost more than to run them.
                self._show_running(list(itertools.islice(self._submitted.values(), 2 * self._pool.slots)))

    def _end_of_submitted(self, job, future):
        """The Ended of a job whose process is over; None while its record may still come to sight."""
        end, now = end_of(job, future), time.monotonic()
        if end.ran and end.row is None and future.result() == 0:
            if now < self._deadlines.setdefault(job.name, now + self._pool.delay):
                self._unseen.append((now + POLL, job, future))
                return None
        return end


def end_of(job, future):
    """The Ended of a job whose process is over, as its files are seen now.

    Raises CancelledError if the whole pool is gone.
    """
    try:
        status = future.result()
    except CancelledError:
        raise
    except Exception as error:  # whatever keeps a pool from running it
        return Ended(job, None, str(error), False)
    row, why = (None, describe_status(status)) if status else job.finished()
    if row is not None:
        return Ended(job, row, '', True)
    reason = '%s; the end of %s:\n%s' % (why or 'it left no record', job.log, tail(job.log))
    return Ended(job, None, reason, True)


class LocalPool:
    """Runs commands as child processes of this one, ``workers`` at a time.

    They end with it: on Linux however it ends, elsewhere unless it is killed outright (SIGKILL).
    """

    delay = 0

    def __init__(self, workers, variables, gpus=()):
        """variables: {environment variable: value} for the commands, beside those of this process.

        gpus: names of the GPUs for the commands, one each, in this order, and from the first again. With
        none, a command sees what this process sees.
        """
        self.slots = workers
        self._variables = queue.Queue()  # of the commands that run, one for each worker
        for gpu in itertools.islice(itertools.cycle(gpus or [None]), workers):
            self._variables.put(dict(variables, CUDA_VISIBLE_DEVICES=gpu) if gpu else variables)
        self._threads = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()  # of the two below
        self._children = set()
        self._stopping = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._lock:
            self._stopping = True
            children = list(self._children)
        try:
            stop(children)
        finally:
            self._threads.shutdown()

    def submit(self, command, log):
        """A Future of the exit status of ``command``; its output is added to the file ``log`` as it comes."""
        return self._threads.submit(self._call, command, log)

    def _call(self, command, log):
        variables = self._variables.get()
        try:
            with self._lock:
                if self._stopping:
                    raise CancelledError
                child = spawn(command, log, variables)
                self._children.add(child)
            status = child.wait()
            with self._lock:
                self._children.remove(child)
            return status
        finally:
            self._variables.put(variables)
