"""The state of a long job in one file: the same command continues from it after a kill."""
import hashlib
import io
import json
import os
import time
from contextlib import suppress

import numpy as np

from utils.files import RunError, atomic_write, read_bytes
from utils.records.records import result_key

EVERY = 120  # seconds between two checkpoints
SEAL = hashlib.sha256().digest_size


class Checkpoint:
    """A file of named arrays that belongs to one job; a damaged one, or another job's, counts as none.

    It is an .npz file with a seal at its end: the SHA-256 of the job and the arrays.
    """

    def __init__(self, path, made_from):
        """made_from: the job's fingerprint."""
        self._path, self._saved = path, time.monotonic()
        self._job = json.dumps(result_key(made_from), sort_keys=True).encode()

    def is_due(self):
        """Whether the last checkpoint is long enough ago."""
        return time.monotonic() >= self._saved + EVERY

    def save(self, **arrays):
        """Replaces the file. Raises RunError where it cannot be written."""
        content = io.BytesIO()
        np.savez(content, **arrays)
        with atomic_write(self._path) as file:
            file.write(content.getbuffer())
            file.write(self._seal(content.getbuffer()))
        self._saved = time.monotonic()

    def load(self):
        """{name: array} as they were saved; {} where there is no whole checkpoint of this job."""
        try:
            content = memoryview(read_bytes(self._path))
        except RunError:
            return {}
        content, seal = content[:-SEAL], content[-SEAL:]
        if seal != self._seal(content):
            return {}
        print('going on from %r' % self._path)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)

    def remove(self):
        with suppress(FileNotFoundError):
            os.unlink(self._path)

    def _seal(self, content):
        digest = hashlib.sha256(self._job)
        digest.update(content)
        return digest.digest()
