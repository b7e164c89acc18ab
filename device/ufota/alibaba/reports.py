"""Reports to Alibaba Cloud IoT of an update: while it is under way, and after the reset.

Owns which step stands for which error, and what is remembered through a reset: the digest of
the image that a job brought, in the client store under "aliyun" and the module's name. Without a
region `client` in the layout a revert is reported by the old version alone.
"""

from micropython import const

from fwcore import errors, errors_net
from fwcore.modules import load, states

_KEY = b"aliyun"
_DIGEST = const(8)  # bytes of it that are remembered
_FAILED = const("-1")
_DOWNLOAD = const("-2")
_VERIFY = const("-3")
_WRITE = const("-4")

# (first error number, last, step); the first row that fits counts, else the update failed
_STEPS = (
    (errors.WRITE_FAILED, errors.READ_FAILED, _WRITE),
    (errors.MISALIGNED, errors.NO_SLOT, _WRITE),
    (errors.INSTALL_DENIED, errors.DOWNLOAD_DENIED, _FAILED),
    (errors.NOT_NEWER, errors.NOT_NEWER, _FAILED),
    (errors.URI_TOO_LONG, errors.BAD_DIGEST, _VERIFY),
    (errors_net.UNSIGNED, errors_net.UNSIGNED, _VERIFY),
    (errors_net.CANCELED, errors_net.CANCELED, _FAILED),
    (errors.BAD_URL, errors.TOO_LONG, _DOWNLOAD),
    (errors_net.TOO_MANY_REDIRECTS, errors_net.LOGIN, _DOWNLOAD),
)


def step_of(error):
    """The service's step for an FwError: "-1" update, "-2" download, "-3" check, "-4" write."""
    for first, last, step in _STEPS:
        if first <= error.code <= last:
            return step
    return _FAILED


def step(module, client):
    """What to report of a Client's state.

    module:   AlibabaSource
    returns:  (step,) or (step, description); None for nothing
    """
    from ufota import client as states

    state = client.state
    if state == states.DOWNLOAD:
        return (str(client.done * 99 // client.manifest.size),)
    if state == states.COMMIT:
        _remember(module, bytes(client.manifest.installed_digest[:_DIGEST]))
    elif state == states.READY:
        module.finished(True)
        return ("100",)
    elif state == states.FAILED:
        found = step_of(client.error)
        module.finished(found != _DOWNLOAD)
        return found, str(client.error.code)


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
        store.put(_KEY + module.module.encode(), digest)


def _outcome(module):
    """Report a failure of the remembered image. For a success the new version is enough."""
    store = _store(module)
    key = _KEY + module.module.encode()
    digest = store and store.get(key)
    if not digest:
        return
    from ufota.trial import last_result

    last = last_result(module.board)
    if last and last.digest[:_DIGEST] == digest:
        reason = 0 if last.result == states().CONFIRMED else last.reason
    elif hasattr(module.board, "systems"):
        from ufota.firmware import targets

        reason = targets.fate(module.board, digest)
        if reason in (None, targets.LOST):
            return
    else:
        return
    if reason:
        module.tell(_FAILED, str(reason))
    store.delete(key)
