"""The guide's name for preprocess.py."""

import install_hint

from preprocess import main

if __name__ == "__main__":
    raise SystemExit(main())
