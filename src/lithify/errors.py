"""The one exception a user of Lithify sees: a sentence that says what was given, what is allowed and what to do."""


class LithifyError(Exception):
    """An error the user can mend.

    The message is one clear sentence. The command line prints it without a traceback and exits with status 1.
    """
