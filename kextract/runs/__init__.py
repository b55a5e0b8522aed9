"""Whole runs, from names and files to a checkpoint: what the commands call."""
