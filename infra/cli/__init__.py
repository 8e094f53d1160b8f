"""`marketplace`: the command line. Each command is a thin front on one of the tools."""
