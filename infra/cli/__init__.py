"""Implements the command line `./marketplace`. Each command is a thin front end of one of the tools."""
