"""Bugs on purpose: each must make a scene of powercut.py red, or the sweep proves nothing.

A bug is a name, the scene that must see it, how the scene is cut, and a function that puts
the bug in and returns (object, attribute, what was there) for taking it out again.
Runs on CPython and on MicroPython.
"""

from fwboot import decide, mode_swap, select, swap, trial
from fwcore import journal, kv, state
from ufota import client, fleet_client
from ufota.update import candidate, client_store, pending, resume
from ufota_testkit.simdisk import PowerCut


def skip_read_back():
    def move(self, source, target, front):
        storage, at = target
        storage.erase(at, self._block, self._feed)
        for offset in range(0, self._block, len(self._one)):
            self._read(source, offset, front if target == self._p(0) else b"")
            storage.write(at + offset, self._one)

    return _put(swap.Swap, "_move", move)


def mark_before_copy():
    def forward(self, log, first, save, front):
        for done, (source, target) in enumerate(self._moves()):
            if done >= first:
                if not log.room():
                    save(done)
                log.mark()
                self._move(source, target, front)

    return _put(swap.Swap, "forward", forward)


def reuse_the_inherited_tail():
    put = trial._Boot._put

    def lazy(self):
        log = self.state.journal
        if self.state.phase == state.FORWARD and self.state.done + log.marks and log._own < 0:
            log._own = log._banks.index(max(log._banks))
        else:
            put(self)

    return _put(trial._Boot, "_put", lazy)


def erase_the_newest_block():
    def backwards(values, key=None):
        return sorted(values, key=key, reverse=True)

    return _put(journal, "sorted", backwards)


def no_fallback_record():
    load = journal.Journal.load

    def strict(self):
        load(self)
        newest = max(self._banks, key=lambda found: found[1])
        if not newest[0]:
            self.payload, self.marks, self.settled = None, 0, True
        return self.payload

    return _put(journal.Journal, "load", strict)


def no_scrub():
    return _put(journal.Journal, "_to_scrub", lambda self, own, base: ())


def no_seal():
    load = journal.Journal.load

    def trusting(self):
        load(self)
        self.settled = True
        return self.payload

    return _put(journal.Journal, "load", trusting)


def header_first():
    begin = candidate.Candidate.begin

    def eager(self, reader=None):
        before = self._begun
        begin(self, reader)
        if not before:
            update, slot = self._update, self._slot
            slot.write_header(slot.pack(update.pending._head, update.key))
            slot.write_header = lambda *args: None  # it is there

    return _put(candidate.Candidate, "begin", eager)


def pending_first():
    write_header = pending.PendingUpdate.write_header

    def late(self, packed):
        slot, headers = self._slot, []
        slot.write_header = lambda *args: headers.append(args)
        write_header(self, packed)
        del slot.write_header
        for args in headers:
            slot.write_header(*args)

    return _put(pending.PendingUpdate, "write_header", late)


def counted_before_it_is_written():
    def write(self, mv):
        self.begin()
        writer, record = self._writer, self._update.record
        writer._at += len(mv)
        if record:
            record.count(self._slot, writer)
        writer._at -= len(mv)
        writer.write(mv)

    return _put(candidate.Candidate, "write", write)


def one_step_too_many_counted():
    count = resume.ResumeRecord.count

    def eager(self, slot, writer):
        before = self._steps
        count(self, slot, writer)
        if before == 0 and self._steps:
            self._steps += 1
            self._store.count_on()

    return _put(resume.ResumeRecord, "count", eager)


def any_image_gone_on_with():
    def recorded(self):
        record = self._store.get(b"job", b"")
        return int.from_bytes(record[:4], "little") if record else None

    return _put(resume.ResumeRecord, "_recorded", recorded)


def count_of_another_image():
    return _put(client_store.ClientStore, "restart", client_store.ClientStore.put)


def counted_from_nought_after_a_reset():
    def go_on(self):
        self._steps = 0

    return _put(resume.ResumeRecord, "go_on", go_on)


def resume_record_left_until_the_header_is_there():
    def commit(self):
        self.write_header()
        self._forget()

    return _put(candidate.Candidate, "commit", commit)


def address_forgotten_too_early():
    changed = fleet_client.FleetClient._changed

    def early(self):
        if self.state == client.VERIFY:
            self._forget_url(self.url)
        changed(self)

    return _put(fleet_client.FleetClient, "_changed", early)


def address_never_forgotten():
    return _put(fleet_client.FleetClient, "_forget_url", lambda self, url: None)


def store_that_must_be_written():
    return _put(resume, "OSError", PowerCut)  # so no storage error is caught there


def fetched_again_after_a_broken_link():
    def go_on(self):
        self._begin(self.url)
        return True

    return _put(fleet_client.FleetClient, "_go_on", go_on)


def off_by_one_in_the_size():
    def blocks(self, head):
        return (self._gap() + head.size - 1) // self._block if head.size else 0

    return _put(mode_swap.SwapMode, "_blocks", blocks)


def equal_blocks_after_the_start():
    forward = mode_swap.SwapMode.forward

    def late(self):
        self.prepare()
        forward(self)

    return _put(mode_swap.SwapMode, "forward", late)


def start_before_the_try_is_durable():
    def start(self, head):
        if self.state.phase != state.TRIAL or self.state.tries == 3:
            self._put()
        return self._image(head)

    return _put(trial._Boot, "_start_trial", start)


def floor_raised_by_the_install():
    start = trial._Boot._start_trial

    def eager(self, head):
        self.state.floor = head.version
        return start(self, head)

    return _put(trial._Boot, "_start_trial", eager)


def black_list_forgotten():
    return _put(state.State, "blacklist", lambda self, head, used_up=False: None)


def tries_never_end():
    return _put(decide, "by_trial", lambda tries, head, new: decide.START)


def nothing_recorded():
    return _put(state.State, "remember", lambda self, statement: None)


def torn_value_taken_for_durable():
    put = kv.KeyValue.put

    def careless(self, key, value):
        if self._values.get(key) != value:
            put(self, key, value)

    return _put(kv.KeyValue, "put", careless)


def trial_goes_on_after_recovery():
    return _put(trial, "give_up", lambda board: None)


def moves_forgotten_on_the_way_back():
    def look(self):
        return self._is_whole(self._state.old, self._swap().old_blocks(0))

    return _put(mode_swap.SwapMode, "old_is_whole", look)


def newer_stage_taken_unasked():
    find, first_start = select._find, select._first_start

    def eager(view):
        if state.State(view).phase == state.IDLE:
            first_start(view, memoryview(bytearray(4096)))
        return find(view)

    return _put(select, "_find", eager)


def _put(owner, name, what):
    old = getattr(owner, name, None)
    setattr(owner, name, what)
    return owner, name, old


# name of the bug, its function, row and scene that must see it, how: single, weak or store
BUGS = (
    ("skip read-back", skip_read_back, "swap NOR", "spi (2, 2)", "weak"),
    ("mark before copy", mark_before_copy, "swap NOR", "spi (2, 2)", "single"),
    ("reuse the inherited tail", reuse_the_inherited_tail, "swap NOR", "spi (2, 2)", "single"),
    ("erase the newest journal block", erase_the_newest_block, "kv put", "nor", "single"),
    ("no fallback record", no_fallback_record, "kv put", "nor", "single"),
    ("no scrub", no_scrub, "confirm", "swap spi hidden record", "single"),
    ("no seal", no_seal, "confirm", "swap spi 3 boots dies", "single"),
    ("header first", header_first, "client write", "overwrite spi", "single"),
    ("header of a patch first", header_first, "client write", "overwrite spi patched", "single"),
    ("PENDING first", pending_first, "client write", "swap spi", "single"),
    (
        "counted before it is written",
        counted_before_it_is_written,
        "fetch",
        "direct flash",
        "single",
    ),
    ("one step too many", one_step_too_many_counted, "fetch", "direct flash", "single"),
    ("any image gone on with", any_image_gone_on_with, "fetch", "direct flash another", "single"),
    ("count of another image", count_of_another_image, "fetch", "direct flash another", "single"),
    (
        "counted from 0 after a reset",
        counted_from_nought_after_a_reset,
        "fetch",
        "direct flash half-way",
        "single",
    ),
    (
        "resume record left until the header is there",
        resume_record_left_until_the_header_is_there,
        "fetch",
        "overwrite spi",
        "single",
    ),
    (
        "address forgotten too early",
        address_forgotten_too_early,
        "fetch",
        "direct flash",
        "single",
    ),
    ("address never forgotten", address_never_forgotten, "fetch", "direct flash", "single"),
    (
        "store that must be written",
        store_that_must_be_written,
        "fetch",
        "direct sd",
        "store",
    ),
    (
        "fetched again after a broken link",
        fetched_again_after_a_broken_link,
        "fetch",
        "direct flash",
        "single",
    ),
    ("off by one in the size", off_by_one_in_the_size, "swap NOR", "spi (2, 3, (), 1)", "single"),
    (
        "equal blocks after the start",
        equal_blocks_after_the_start,
        "swap NOR",
        "spi (2, 2)",
        "single",
    ),
    (
        "start before the try is durable",
        start_before_the_try_is_durable,
        "direct",
        "flash dies",
        "single",
    ),
    ("floor raised by the install", floor_raised_by_the_install, "direct", "flash dies", "single"),
    ("black-list forgotten", black_list_forgotten, "revert", "swap spi (2, 2)", "single"),
    ("tries never end", tries_never_end, "direct", "flash dies", "single"),
    ("nothing recorded", nothing_recorded, "swap NOR", "spi (2, 2)", "single"),
    ("torn value taken for durable", torn_value_taken_for_durable, "kv put", "nor", "single"),
    (
        "erase the newest bank of a card",
        erase_the_newest_block,
        "state on a card",
        "direct flash boot",
        "single",
    ),
    (
        "trial goes on after recovery",
        trial_goes_on_after_recovery,
        "recovery",
        "swap spi confirms",
        "single",
    ),
    (
        "moves forgotten on the way back",
        moves_forgotten_on_the_way_back,
        "rescue",
        "swap spi by the old one",
        "single",
    ),
    (
        "newer stage taken unasked",
        newer_stage_taken_unasked,
        "selector",
        "first start, dies",
        "single",
    ),
)
