"""Chain: a board as the updatable boot stages on it see it.

Owns which part of a layout the stages are: `stages`, whose devices are the board's own.
The boot selector (fwboot/select.py) chooses a stage by this view, a stage confirms itself
by it, and an application updates the stages by it: Client(StageBoard(board), source).
"""

from fwcore import errors_boot
from fwcore.errors import FwError


class StageBoard:
    """`board` with the layout of its boot stages; all else is the board's.

    board:   see docs/DESIGN.md, "What a board offers"
    raises:  FwError BAD_LAYOUT for a board without stages
    """

    systems = None  # a stage that confirms itself says nothing of the firmware under it

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
        """A line of the boot log that says of whom it speaks."""
        self._board.log("stages: " + text)
