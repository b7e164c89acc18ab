"""What all file systems here have: a current folder, and the tuple that os.stat tells."""

from errno import ENOENT

DIR, REG = 0x4000, 0x8000


class Stat(tuple):
    """A tuple, as on MicroPython, with the few names that CPython's libraries use."""

    st_mode = property(lambda found: found[0])
    st_size = property(lambda found: found[6])
    st_mtime = property(lambda found: found[8])

    @classmethod
    def of(cls, kind, size, seconds=0):
        return cls((kind, 0, 0, 0, 0, 0, size, seconds, seconds, seconds))


class Tree:
    """A file system has stat(path) besides."""

    _cwd = "/"

    def path(self, path):
        return path if path.startswith("/") else self._cwd + path

    def chdir(self, path):
        path = plain(self.path(path))
        if path != "/" and self.stat(path)[0] != DIR:
            raise OSError(ENOENT)
        self._cwd = path if path == "/" else path + "/"

    def getcwd(self):
        return self._cwd.rstrip("/") or "/"


def plain(path):
    """An absolute path without `.`, `..` and empty parts."""
    parts = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
