"""Every error a user may see, and nothing else.

One root, one catch point (`edgeslm.cli`). An error says what failed (`message`), why (`reason`) and what to do
(`hint`).
"""


class EdgeSlmError(Exception):
    """Base of every error a user may see."""

    exit_code = 2

    def __init__(self, message: str, *, reason: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.message]
        if self.reason:
            parts.append(f"because {self.reason}")
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n  ".join(parts)


class InputError(EdgeSlmError):
    """A file or a question that cannot be used."""


class FormatError(EdgeSlmError):
    """A log format definition that is wrong."""


class QueryError(EdgeSlmError):
    """SQL that was refused, failed or ran too long."""


class ModelError(EdgeSlmError):
    """A model file that is missing, damaged or of the wrong kind."""


class PlanError(EdgeSlmError):
    """A question that could not be turned into a query."""
