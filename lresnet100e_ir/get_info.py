"""List the inputs of the NPU's benchmark tool.

python get_info.py bin ./data/lfw ./lfw.info 112 112
"""

from __future__ import annotations

import install_hint

from common.npu_files.input_list import main

if __name__ == "__main__":
    raise SystemExit(main())
