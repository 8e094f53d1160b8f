"""The same work, done by this project's runtime and by its peers: each a program of its own."""
