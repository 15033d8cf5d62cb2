"""List the inputs of the NPU's benchmark tool.

python get_info.py bin ./query_preproc_data_Ascend310 ./query_preproc_data_Ascend310.info 128 384
python get_info.py bin ./gallery_preproc_data_Ascend310 ./gallery_preproc_data_Ascend310.info 128 384
"""

from __future__ import annotations

import install_hint

from common.npu_files.input_list import main

if __name__ == "__main__":
    raise SystemExit(main())
