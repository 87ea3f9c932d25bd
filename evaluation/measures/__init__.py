"""Pure functions from scores, samples and completions to numbers."""
