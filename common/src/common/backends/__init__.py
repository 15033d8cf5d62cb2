"""Opening a network, running named arrays, closing it."""
