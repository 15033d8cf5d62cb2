"""What was measured, with what, against what."""
