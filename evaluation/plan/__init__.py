"""A profile, checked and expanded."""
