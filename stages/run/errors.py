"""Errors that the user can fix."""


class UserError(Exception):
    """An error that the user can fix; its message says in one sentence what is wrong, where, and what to do.

    A stage prints it without a traceback and exits with status 1.
    """


class DivergedError(UserError):
    """Raised when the loss or a weight of a training is no longer finite."""
