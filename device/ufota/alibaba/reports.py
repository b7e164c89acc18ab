"""Reports to Alibaba Cloud IoT of an update: while it is under way, and after the reset.

Owns which step stands for which error, and what is remembered through a reset: the digest of
the image that a job brought, and the job's mark, in the client store under "aliyun" and the
module's name. Without a region `client` in the layout a revert is reported by the old version
alone.
"""

from micropython import const

from fwcore import errors
from fwcore.modules import load, states

_KEY = b"aliyun"
_DIGEST = const(8)  # bytes of it that are remembered
_FAILED = const("-1")
_VERIFY = const("-3")

# Not told as a failed check, although they are between numbers that are: NOT_NEWER,
# INSTALL_DENIED, DOWNLOAD_DENIED, INSTALL_FAILED.
_NO_CHECK = (27, 37, 38, 40)


def step_of(code):
    """The service's step for the number of an error that is final: what ends the job.

    "-3" for a check of the image, else "-1". Never "-2" and "-4", a download and a write that
    failed: both pass.
    """
    if errors.URI_TOO_LONG <= code <= errors.BAD_DIGEST and code not in _NO_CHECK:
        return _VERIFY
    return _FAILED


def step(module, client):
    """What to report of a Client's state.

    module:   AlibabaSource
    returns:  (step,) or (step, description); None for nothing
    """
    from ufota import client as states

    state, error = client.state, client.error
    if state == states.DOWNLOAD:
        module.percent = str(client.done * 99 // client.manifest.size)
        return (module.percent,)
    if state == states.COMMIT:
        _remember(module, bytes(client.manifest.installed_digest[:_DIGEST]))
    elif state == states.READY:
        module.finished()
        return ("100",)
    if not error:
        return None
    found = module.percent  # the job stays open
    if state == states.FAILED and module.finished(error):
        found = step_of(error.code)
    return found, str(error.code)


def greet(module):
    """Report after a connect: the version, and the result of the last job.

    returns:  False while the image that runs is on trial: it is not the new version yet
    raises:   FwError CONNECT
    """
    board = module.board
    if "state" in board.layout:
        kinds = states()
        if kinds.State(board).phase == kinds.TRIAL:
            return False
    if hasattr(board, "systems"):
        from ufota.firmware import targets

        if targets.on_trial(board):
            return False
    version = module.version
    if version is None:
        version = _running(board)
    elif callable(version):
        version = version()
    module.inform(version)
    _outcome(module)
    return True


def _running(board):
    """The version in the header of the image that runs, text; "0" when it has none."""
    from fwcore.manifest import version_text
    from ufota import active_image

    head = active_image.header(board)
    return version_text(head.version) if head else "0"  # "0": the service then offers an update


def _store(module):
    if "client" not in module.board.layout:
        return None
    load("ufota.update", "client_store")
    from ufota.update import client_store

    return client_store.of(module.board)


def _remember(module, digest):
    """Call before the commit: the result of this job's image is reported after the reset."""
    store = _store(module)
    if store:
        store.put(_KEY + module.module.encode(), digest + module.mark())


def forget(module):
    """What was remembered has been reported, or is of no use."""
    store = _store(module)
    if store:
        store.delete(_KEY + module.module.encode())


def _rests(board):
    load("ufota.update", "rest")
    from ufota.update import rest

    return rest.is_resting(states().State(board))


def _outcome(module):
    """Prepare the report of what became of the remembered image: for a success none is due."""
    store = _store(module)
    found = store and store.get(_KEY + module.module.encode())
    if not found:
        return
    from ufota.trial import last_result

    digest = found[:_DIGEST]
    last = last_result(module.board)
    if last and last.digest[:_DIGEST] == digest:
        reason = 0 if last.result == states().CONFIRMED else last.reason
        if reason and _rests(module.board):
            return  # the job goes on: it is asked for again
    elif hasattr(module.board, "systems"):
        from ufota.firmware import targets

        reason = targets.fate(module.board, digest)
        if reason in (None, targets.LOST, targets.RESTS):
            return
    else:
        return
    if not reason:
        forget(module)
    else:
        from ufota.sources import verdicts

        step = _FAILED if verdicts.is_final(reason) else "0"
        module.tell_late(step, str(reason), found[_DIGEST:])
