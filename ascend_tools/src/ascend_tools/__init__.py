"""Commands for a desk, on top of `common`: `python -m ascend_tools.NAME`."""
