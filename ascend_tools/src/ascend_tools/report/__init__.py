"""Pages about what was measured: figures, curves and worst cases in one file that a browser shows."""
