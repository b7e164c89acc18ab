"""ufota for applications: what they say of the image they run (trial.py has more to say).

trial.py is loaded when one of them is called, and no argument has a name here: the update
client, for which this file is loaded too, pays for each name in it.
"""


def confirm(*args, **more):
    """confirm(board, floor=None): the image that runs is good, keep it."""
    from ufota import trial

    return trial.confirm(*args, **more)


def reject(*args):
    """reject(board, reason): the image on trial is no good, go back and black-list it."""
    from ufota import trial

    trial.reject(*args)


def last_result(*args):
    """last_result(board, component=None): what came of the last update, or None."""
    from ufota import trial

    return trial.last_result(*args)
