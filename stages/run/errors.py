"""The one kind of error that is meant for the user."""


class UserError(Exception):
    """Something the user can mend, in one sentence: what is wrong, where, and what to do.

    A stage prints it without a traceback and exits with status 1.
    """


class DivergedError(UserError):
    """A training whose loss or weights are no longer finite."""
