"""Features of many pictures in a file: found lazily, stored as they come, searched exactly."""
