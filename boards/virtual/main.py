"""The boot stage and then the application, where both are files: `fwtool deploy` puts it on /.

A firmware has them frozen, and _boot.py starts them. Without an image to start the console
comes, through which one can be brought.
"""

import gc


def _boot():
    """What starts the application; None when there is none."""
    from board import Board
    from stage import look

    gc.threshold(4096)
    Board.lines = []
    start = look(Board(), 0)
    gc.threshold(-1)
    return start


_start = _boot()
if _start:
    _start()
