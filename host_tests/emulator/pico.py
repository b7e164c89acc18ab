"""An emulated Raspberry Pi Pico W: the firmware a person gives, in a process of board.mjs.

Without radio, and with nothing on its pins. What is slow on it is slow here: time is simulated,
in ms of the board, and a limit in it is what a test waits for; the wall clock only guards.
"""

import base64
import json
import queue
import subprocess
import threading
from pathlib import Path

HERE = Path(__file__).parent
FLASH_SIZE = 2 << 20
WALL_S = 3600  # of one run; a step of a scene takes less, beside any other work
TEARS = ("nothing", "half", "junk")
_UF2_MAGIC = 0x0A324655
_UF2_BLOCK = 512
_XIP = 0x10000000
_PROMPT = ">>> "
_RAW_PROMPT = "raw REPL; CTRL-B to exit\r\n>"


class Dead(Exception):
    """The process of the emulator ended, or does not answer."""


class Pico:
    """A board with this firmware; power is off. For `with`.

    firmware:  path of a .uf2;  bootrom: path of the boot ROM, 16 KiB
    stack:     bytes, the deepest since stack_low(): from the stack's top, interrupts included
    ms:        simulated time, since the process began
    operations: of the flash: erased blocks of 4 KiB and programmed pages of 256 bytes
    overwritten: pages programmed where they were not erased
    resets:    by the watchdog, machine.reset() included
    Every method raises Dead.
    """

    def __init__(self, firmware, bootrom):
        self._firmware = uf2(Path(firmware).read_bytes())
        self._process = subprocess.Popen(
            ["node", str(HERE / "board.mjs"), str(bootrom)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self):
        self.flash(0, self._firmware)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def _listen(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _ask(self, do, wall_s=WALL_S, **more):
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=wall_s)
        except (BrokenPipeError, queue.Empty):
            line = None
        if line is None:
            raise Dead(do)
        told = json.loads(line)
        self.ms, self.operations = told["ms"], told["operations"]
        self.overwritten, self.resets = told["overwritten"], told["resets"]
        self.stack = told["stack"]
        return told

    def flash(self, at, data):
        """Put bytes into the flash, as a programmer does: no operation of the board."""
        self._ask("flash", at=at, data=base64.b64encode(data).decode())

    def read(self, at, size):
        """Bytes of the flash."""
        return base64.b64decode(self._ask("read", at=at, size=size)["data"])

    def power(self):
        """Off, and on."""
        self._ask("power")

    def stack_low(self):
        """Forget how deep the stack was."""
        self._ask("low")

    def cut(self, at, tear="nothing"):
        """Power goes in the at-th flash operation from now on. at: 0 for never."""
        self._ask("cut", at=at, tear=tear)

    def type(self, text):
        """On the console."""
        self._ask("type", text=text)

    def run(self, until=None, ms=1000, wall_s=WALL_S):
        """Let time pass: until it printed a text, for at most so many simulated ms.

        returns:  (why, text it printed meanwhile); why: text, time, dark (power was cut), wall
        """
        told = self._ask("run", wall_s + 30, until=until, ms=ms, wall_ms=wall_s * 1000)
        return told["why"], told["out"]

    def prompt(self, ms=20000):
        """^C until the prompt is there. Returns what was printed."""
        said = ""
        for _ in range(0, ms, 1000):
            self.type("\x03")
            why, text = self.run(_PROMPT, 1000)
            said += text
            if why == "text":
                return said
        raise AssertionError("no prompt: " + said[-500:])

    def enter(self, code):
        """Begin to run code at the prompt, by the raw REPL."""
        self.type("\x01")
        self._expect(_RAW_PROMPT, 1000)
        self.type(code + "\x04")

    def execute(self, code, ms=60000):
        """Run code at the prompt, by the raw REPL. Returns what it printed, errors too."""
        self.enter(code)
        said = self._expect("\x04>", ms)
        self.type("\x02")
        self._expect(_PROMPT, 1000)
        return said[said.index("OK") + 2 : -2].replace("\x04", "").replace("\r\n", "\n")

    def _expect(self, text, ms):
        why, said = self.run(text, ms)
        assert why == "text", f"{why} instead of {text!r}: {said[-500:]!r}"
        return said


def uf2(data):
    """What a .uf2 file puts into the flash, from its first byte on. Raises ValueError."""
    image = bytearray()
    for at in range(0, len(data), _UF2_BLOCK):
        head = data[at : at + 32]
        magic, address, size = (int.from_bytes(head[i : i + 4], "little") for i in (0, 12, 16))
        start = address - _XIP
        if magic != _UF2_MAGIC or size > 476 or not 0 <= start <= FLASH_SIZE - size:
            raise ValueError("no .uf2 for this flash")
        image.extend(b"\xff" * (start + size - len(image)))
        image[start : start + size] = data[at + 32 : at + 32 + size]
    return bytes(image)
