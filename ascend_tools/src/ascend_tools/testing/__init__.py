"""What the tests of every directory share."""
