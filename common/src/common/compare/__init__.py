"""Two networks on the same items."""
