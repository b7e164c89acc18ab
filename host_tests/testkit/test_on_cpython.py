"""Language and modules on CPython and on MicroPython: the same output, end and chips."""

import pytest

from fwtool.demos.demo_mqtt_broker import free_port
from on_cpython_kit import ATTEMPT, MICROPYTHON, RESET, STARTS, after_boot, boot, on_both
from virtual_kit import make

CASES = {
    "imports": ATTEMPT
    + """
    import pack.inner, library, bare.leaf
    from pack import NAME, inner
    print(NAME, inner.WHO, library.__name__, library.__file__, bare.leaf.X, pack.inner is inner)
    print(__name__, sys.path[:3])
    open("/user/own.py", "w").close()
    with open("/user/own.py", "w") as file:
        file.write("VALUE = 5")
    sys.path.append("/user")
    import own
    print(own.VALUE, own.__file__, "own" in sys.modules)
    try:
        import gone
    except ImportError as error:
        sys.print_exception(error)
    try:
        from pack import gone
    except ImportError:
        print("no such name")
    os.chdir("/user")
    sys.path.insert(0, "")
    del sys.modules["own"]
    import own
    print(own.__file__)
    """,
    "modules of its own go first": """
    import secrets, logging, queue, json
    print(secrets.PASSWORD, logging.OURS, queue.OURS, json.dumps([1]))
    import utime, ujson, ubinascii, uasyncio
    print(utime.ticks_diff(5, 3), ujson.loads("[2]"), ubinascii.hexlify(b"a"))
    """,
    "exceptions": """
    import sys
    def fall(error):
        raise error
    for what in "gone", "1 // 0", "1.5 / 0", "1 % 0", "[].gone", "[][1]", "None()[0]":
        try:
            eval(what)
        except Exception as caught:
            print(type(caught).__name__)
            if what in ("gone", "1 // 0", "1.5 / 0", "1 % 0"):
                sys.print_exception(caught)
    for error in ValueError("text"), KeyError("k"), OSError(5), OSError(2), OSError(39), OSError():
        try:
            fall(error)
        except Exception as caught:
            sys.print_exception(caught)
    try:
        import broken
    except SyntaxError as error:
        sys.print_exception(error)
    try:
        open("/user/gone")
    except OSError as error:
        sys.print_exception(error)
        print(error, error.errno, error.args)
    print(OSError(5).errno, OSError().errno, str(OSError(22)), str(OSError("text")))
    """,
    "raises": "print('before')\nraise ValueError('end')",
    "exits": "import sys\nsys.exit(3)",
    "exits with a text": "import sys\nsys.exit('text')",
    "resets": "import machine\nprint('before')\nmachine.reset()\nprint('after')",
    "chip": """
    import machine
    from board import Board
    board = Board()
    print(len(machine.unique_id()), machine.unique_id(), machine.reset_cause(), board.hung())
    buf = bytearray(16)
    print(board.device("flash").readblocks(0x10, buf), bytes(buf))
    machine.idle()
    """,
    "watchdog": """
    import os, sys
    from board import Board
    Board().watchdog(5000)
    print(open(sys.argv[1] + "/watchdog").read())
    """,
    "asyncio": """
    import asyncio
    async def count(name, ms):
        for i in range(3):
            print(name, i)
            await asyncio.sleep_ms(ms)
        return name
    async def fail():
        raise ValueError("in a task")
    async def main():
        print(await asyncio.gather(count("a", 20), count("b", 200)))
        try:
            await asyncio.wait_for_ms(count("c", 500), 100)
        except asyncio.TimeoutError:
            print("timeout")
        print((await asyncio.gather(fail(), return_exceptions=True))[0].args)
        event, flag = asyncio.Event(), asyncio.ThreadSafeFlag()
        task = asyncio.create_task(count("d", 1000))
        event.set()
        flag.set()
        await event.wait()
        await flag.wait()
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            print("cancelled")
        asyncio.create_task(stays())
        await asyncio.sleep(0.01)
    async def stays():
        try:
            await asyncio.sleep(10)
        finally:
            print("never")
    asyncio.run(main())
    asyncio.run(asyncio.gather(count("e", 1), count("f", 1)))
    """,
    "sockets": """
    import select, socket
    listener, near = socket.socket(), socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
    listener.listen(1)
    near.connect(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
    far, _ = listener.accept()
    buf = bytearray(4)
    print(near.write(b"hello\\nworld, all"), far.read(3), far.readline(), far.readinto(buf), buf)
    far.setblocking(False)
    print(far.read(100), far.read(100), far.readinto(buf), far.readline())
    poll = select.poll()
    poll.register(far, select.POLLIN)
    print(poll.poll(10))
    near.write("x")
    print([(thing is far, event) for thing, event in poll.poll(1000)])
    print([(thing is far, event) for thing, event in poll.ipoll(1000)])
    poll.modify(far, select.POLLOUT)
    poll.unregister(far)
    far.settimeout(0.01)
    print(far.read(1))
    try:
        far.read(1)
    except OSError as error:
        print(error.errno, error)
    near.close()
    print(far.read(), far.readinto(buf), far.readline())
    listener.close()
    try:
        socket.socket().connect(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
    except OSError as error:
        print(error.errno, error)
    """,
    "additions": """
    import gc, micropython, time, os
    gc.threshold(4096)
    gc.collect()
    gc.threshold(-1)
    print(gc.mem_free() > 0, gc.mem_alloc() >= 0)
    start = time.ticks_us()
    time.sleep_us(1500)
    time.sleep_ms(1)
    print(2000 < time.ticks_diff(time.ticks_us(), start) < 1000000, time.ticks_cpu() >= 0)
    @micropython.native
    def double(x):
        return 2 * x
    print(double(4), micropython.const(3))
    with open("/user/script.py", "w") as file:
        file.write("print(__name__, y)")
    execfile("/user/script.py", {"__name__": "run", "y": 6})
    print(len(os.urandom(4)), os.getenv("GONE"))
    """,
    "json": """
    import json, hashlib, struct, binascii
    with open("/user/config.json", "w") as file:
        json.dump({"a": [1, 2.5, None, True, "\\u00e4"]}, file)
    with open("/user/config.json") as file:
        print(file.read())
        file.seek(0)
        print(json.load(file)["a"][:4])
    print(binascii.hexlify(hashlib.sha256(b"a").digest()), struct.unpack("<HB", b"abc"))
    """,
}
MORE = {
    "pack/__init__.py": b"from pack.inner import WHO\nNAME = 'pack of ' + WHO",
    "pack/inner.py": b"WHO = __name__",
    "lib/library.py": b"",
    "bare/leaf.py": b"X = 1",
    "secrets.py": b"PASSWORD = 'x'",
    "lib/logging.py": b"OURS = 1",
    "lib/queue/__init__.py": b"OURS = 2",
    "broken.py": b"x = 1\ndef (:\n",
}
ENDS = {"raises": 1, "exits": 3, "exits with a text": 1, "resets": RESET}


@pytest.mark.parametrize("name", CASES)
def test_an_application_cannot_tell_the_interpreters(tmp_path, name):
    main = CASES[name].replace("PORT", str(free_port()))
    board = make(tmp_path, main, **MORE)
    done, _ = on_both(board)
    assert done.returncode == ENDS.get(name, 0), done.stderr
    assert after_boot(done) or name.startswith("exits")


def test_what_ends_an_application_is_said_in_the_same_words(tmp_path):
    board = make(tmp_path, "def f():\n    raise ValueError('end')\nf()")
    told = {name: boot(name, board).stderr for name in STARTS}
    assert told["cpython"] == told[MICROPYTHON]
    assert told["cpython"].endswith('"/app/main.py", line 2, in f\nValueError: end\n')
