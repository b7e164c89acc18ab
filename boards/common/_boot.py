"""The first that runs of a frozen firmware, after every reset, soft ones too.

It takes the place of the port's own, which would format the flash that is the layout's. It
sees to it that no file can stand in for a frozen module, and no more: the port lets no ^C
through while it runs, and mpremote's soft reset runs it as well. The boot stage is in
main.py, frozen beside it, which the port runs next, whatever main.py a file system holds;
so a session of mpremote does not use up the trial boots of a new image.
"""

import sys

sys.path[:] = [".frozen"] + [path for path in sys.path if path not in ("", ".frozen")]
