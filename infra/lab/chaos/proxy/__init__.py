"""A loopback TCP proxy that can be slow, silent or rude: in the path of a faultable stack only."""
