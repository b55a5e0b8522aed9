"""The command line: one file a command."""

from kextract.cli.app import main
