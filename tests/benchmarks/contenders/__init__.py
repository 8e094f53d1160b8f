"""The contenders: programs that do the same work, with this project's runtime and with its peers."""
