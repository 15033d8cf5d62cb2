"""The guide's name for postprocess.py."""

import install_hint

from postprocess import main

if __name__ == "__main__":
    raise SystemExit(main())
