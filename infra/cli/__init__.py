"""Implements the command line `./marketplace`. Each command parses its arguments and calls one of the tools."""
