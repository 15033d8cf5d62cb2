"""List the inputs of the NPU's benchmark tool. `ais_infer` takes the directory itself and needs no list.

python get_info.py bin ./bin_save ./coco.info 512 512
"""

from __future__ import annotations

import install_hint

from common.npu_files.input_list import main

if __name__ == "__main__":
    raise SystemExit(main())
