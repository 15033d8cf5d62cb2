"""A package, so that pytest calls these modules `tests.*`."""
