__all__ = ["SECONDS", "Failure"]

# Of processor time for one input; what takes longer is taken for a hang.
SECONDS = 2.0


class Failure(AssertionError):
    """An input that broke what must hold; says how to see it again."""
