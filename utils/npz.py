"""The arrays of an .npz file: their shapes from their headers, their numbers when asked for; no pickle."""
import contextlib
import zipfile

from numpy.lib import format as npy

from utils.files import RunError

READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class Npz:
    """An opened .npz file. Each method raises RunError where the file is damaged."""

    def __init__(self, path, file):
        """path: for messages; file: the content, a binary file that stays open as long as this is used."""
        # Not np.load: it takes a member that is no array for bytes, and complains when a file is no archive.
        self.path = path
        with self._whole():
            self._archive = zipfile.ZipFile(file)
        self.names = [name[:-4] for name in self._archive.namelist() if name.endswith('.npy')]

    def header(self, name):
        """(shape, dtype) of an array, without its numbers."""
        with self._whole():
            member = self._archive.getinfo(name + '.npy')
            with self._archive.open(member) as file:
                shape, _, dtype = READ_HEADER[npy.read_magic(file)](file)
                count = 1
                for length in shape:
                    count *= length
                if not dtype.hasobject and member.file_size != file.tell() + count * dtype.itemsize:
                    raise ValueError('not as many numbers as the header says')
            return shape, dtype

    def read(self, name):
        """An array."""
        if self.header(name)[1].hasobject:  # the header first: a damaged one may ask for any amount of memory
            raise RunError('%r: %s holds Python objects, which cannot be read; save plain numbers or strings'
                           % (self.path, name))
        with self._whole(), self._archive.open(name + '.npy') as file:
            return npy.read_array(file, allow_pickle=False)

    @contextlib.contextmanager
    def _whole(self):
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:  # a damaged archive fails in any of many ways
            raise RunError('%r is damaged or not an .npz file; make it or fetch it again'
                           % self.path) from error
