"""Errors that the reader of the message can put right."""

from __future__ import annotations


class UserError(ValueError):
    """What was given, what was expected, what to do: one clear sentence, printed by `bench` without a traceback."""


class DataError(UserError):
    """A data set is missing, truncated or altered, or cannot be fetched."""
