"""Errors that the reader of the message can put right. They are raised on purpose; anything else is a defect."""

from __future__ import annotations


class UserError(ValueError):
    """What was given, what was expected, what to do: one clear sentence, printed by `bench` without a traceback."""


class ConfigError(UserError):
    """The configuration asks for something that does not exist."""


class DataError(UserError):
    """A data set or a file of results is missing, truncated or altered, or cannot be fetched."""


class ModelError(UserError):
    """A model refuses what it is given, or breaks its promises; the message names the model."""
