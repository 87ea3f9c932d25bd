"""Foundations of every room: errors, files, process set-up."""
