"""StageBoard: a board as its updatable boot stages see it.

Owns which part of a layout is the stages': `stages`, on the devices of the board itself.
The boot selector (fwboot/select.py) chooses a stage by this view, a stage confirms itself
by it, and an application updates the stages by it: Client(StageBoard(board), source).
"""

from fwcore import errors_boot
from fwcore.errors import FwError


class StageBoard:
    """`board` with the layout of its boot stages; everything else is as on the board.

    board:   see docs/DESIGN.md, "What a board offers"
    raises:  FwError BAD_LAYOUT for a board without stages
    """

    systems = None  # a stage that confirms itself does not confirm the firmware under it

    def __init__(self, board):
        stages = board.layout.get("stages")
        if not isinstance(stages, dict):
            raise FwError(errors_boot.BAD_LAYOUT, ("layout", "stages"))
        self._board = board
        self.layout = dict(stages)
        self.layout["devices"] = board.layout["devices"]

    def __getattr__(self, name):
        return getattr(self._board, name)

    def log(self, text):
        """A line of the boot log, marked as one about the stages."""
        self._board.log("stages: " + text)
