"""A loopback TCP proxy that can delay, stall or reset connections. Only a faultable stack connects through it."""
