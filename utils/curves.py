"""TensorBoard curves."""
import contextlib
import glob
import os
import time

from utils.files import RunError, make_folder
from utils.graph_mode import tf


class Curves:
    """Scalars in ``folder``/events.out.tfevents.*; a run that ends well removes those of earlier runs.

    Written in the calling thread, so that a full disk is an error here and now: raises RunError.
    """

    def __init__(self, folder):
        self._folder = folder
        make_folder(folder)
        self._earlier = glob.glob(os.path.join(glob.escape(folder), 'events.out.tfevents.*'))
        try:
            path = os.path.join(folder, 'events.out.tfevents.%d' % (1e6 * time.time()))
            # As bytes: of a text TensorFlow makes UTF-8, whatever the system's encoding is.
            self._file = tf.io.TFRecordWriter(os.fsencode(path))
        except tf.errors.OpError as error:
            raise self._failure(error) from error
        self._write(tf.Event(wall_time=time.time(), file_version='brain.Event:2'))

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        self._file.close()
        if failure is None:
            for path in self._earlier:
                with contextlib.suppress(FileNotFoundError):  # another copy of this job may be quicker
                    os.unlink(path)

    def add(self, step, **values):
        """Adds one point to each named curve."""
        self._write(tf.Event(wall_time=time.time(), step=step, summary=tf.Summary(
            value=[tf.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])))

    def _write(self, event):
        try:
            self._file.write(event.SerializeToString())
            self._file.flush()
        except tf.errors.OpError as error:
            raise self._failure(error) from error

    def _failure(self, error):
        return RunError('cannot write curves into %r: %s; make room or choose a folder that can be written'
                        % (self._folder, error.message))
