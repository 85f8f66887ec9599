"""The state of a long job in one file: the same command continues from it after a kill."""
import hashlib
import io
import json
import os
import time
from contextlib import suppress

import numpy as np

from utils.files import RunError, atomic_write, read_bytes
from utils.records.records import result_key, why_another

EVERY = 120  # seconds between two checkpoints
SEAL = hashlib.sha256().digest_size
LONGEST_JOB = 1 << 20  # bytes


class Checkpoint:
    """A file of named arrays that belongs to one job; a damaged one, or another job's, counts as none.

    It is an .npz file with two things at its end: the job, a line of JSON, and the SHA-256 of all before.
    """

    def __init__(self, path, made_from, started):
        """made_from: the job's fingerprint; started: when this process began it, as ``time.time()``."""
        self._path, self._saved = path, time.monotonic()
        self._started, self._earlier = started, 0.0
        self._key = result_key(made_from)

    def seconds(self):
        """The time that the job has taken: up to the checkpoint that was loaded, and since the start."""
        return self._earlier + time.time() - self._started

    def is_due(self):
        """Whether the last checkpoint is long enough ago."""
        return time.monotonic() >= self._saved + EVERY

    def save(self, **arrays):
        """Replaces the file. Raises RunError where it cannot be written."""
        content = io.BytesIO()
        np.savez(content, seconds=self.seconds(), **arrays)
        content.write(b'\n' + json.dumps(self._key, sort_keys=True).encode())
        with atomic_write(self._path) as file:
            file.write(content.getbuffer())
            file.write(hashlib.sha256(content.getbuffer()).digest())
        self._saved = time.monotonic()

    def load(self):
        """{name: array} as they were saved; {} where there is no whole checkpoint of this job.

        A line says so where there is another one, which ``save`` will replace.
        """
        try:
            content = memoryview(read_bytes(self._path))
        except RunError:
            return {}
        content, seal = content[:-SEAL], content[-SEAL:]
        if seal != hashlib.sha256(content).digest():
            print('%r is damaged; it will be replaced' % self._path)
            return {}
        job = bytes(content[-LONGEST_JOB:]).rpartition(b'\n')[2]
        another = why_another(json.loads(job.decode()), self._key)
        if another:
            print('%r is of another job: %s; it will be replaced' % (self._path, another))
            return {}
        print('going on from %r' % self._path)
        with np.load(io.BytesIO(content[:-len(job) - 1]), allow_pickle=False) as found:
            arrays = dict(found)
        self._earlier = float(arrays.pop('seconds'))
        return arrays

    def remove(self):
        with suppress(FileNotFoundError):
            os.unlink(self._path)
