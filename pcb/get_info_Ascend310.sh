#!/bin/sh
# The lists of inputs for the benchmark tool, of both parts that preprocess.py wrote to the working directory.
set -e
here=$(dirname "$0")
for part in query gallery; do
    python "$here/get_info.py" bin "./${part}_preproc_data_Ascend310" "./${part}_preproc_data_Ascend310.info" 128 384
done
