"""What a round ends with when something is wrong."""


class Failure(Exception):
    pass


class TooLate(Failure):
    """The test was slower than the run: another try."""
