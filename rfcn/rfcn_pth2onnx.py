"""The guide's name for pth2onnx.py."""

import install_hint

from pth2onnx import main

if __name__ == "__main__":
    raise SystemExit(main())
