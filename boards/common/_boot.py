"""The first code that runs of a frozen firmware, after every reset, soft ones too.

It replaces the port's own _boot.py, which would format the flash of the layout. It only makes
sure that no file can replace a frozen module: the port allows no ^C while it runs, and
mpremote's soft reset runs it as well. The boot stage is in main.py, frozen beside it, which the
port runs next, even if a file system has a main.py; so a session of mpremote does not use up
the trial boots of a new image.
"""

import sys

sys.path[:] = [".frozen"] + [path for path in sys.path if path not in ("", ".frozen")]
