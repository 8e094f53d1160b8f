"""The library that services are built on. It knows nothing about the marketplace."""
