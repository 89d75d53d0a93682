"""What can stop a start. Each message is one sentence that says what is wrong and what to do."""


class LaunchError(Exception):
    """The start cannot go on; the message is shown as it is, without a traceback."""
