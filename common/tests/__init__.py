"""A package, so that pytest calls these modules `tests.*`: as `common.tests.*` they would hide the library."""
