"""What a round ends with when something is wrong."""


class Failure(Exception):
    def __init__(self, sentence, survivor_was_late=False):
        super().__init__(sentence)
        self.survivor_was_late = survivor_was_late  # it had stopped nobody 50 ms after the first kill


class TooLate(Failure):
    """The test was slower than the run: another try."""
