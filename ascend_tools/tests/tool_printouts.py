"""Printouts of the NPU's tools and of trtexec as the tests of the readers change them, and a fixture that reads them."""

from __future__ import annotations

import json

import pytest

from ascend_tools.benchmark import logs

AIS = """\
[INFO] open device 3 success
[INFO] load model /models/tiny_bs4.om success
[INFO] -----------------Performance Summary------------------
[INFO] H2D_latency (ms): min = 0.25, max = 0.5, mean = 0.375, median = 0.375, percentile(99%) = 0.5
[INFO] NPU_compute_time (ms): min = 1.5, max = 2.75, mean = 2.0, median = 1.75, percentile(99%) = 2.5
[INFO] D2H_latency (ms): min = 0.5, max = 0.75, mean = 0.625, median = 0.625, percentile(99%) = 0.75
[INFO] throughput 1000*batchsize.mean(4)/NPU_compute_time.mean(2.0): 2000.0
[INFO] ------------------------------------------------------
"""
BENCHMARK = """\
[e2e] throughputRate: 98.5, latency: 50761.4
[data read] throughputRate: 125, moduleLatency: 8
[preprocess] throughputRate: 124, moduleLatency: 8.06452
[infer] throughputRate: 99, Interface throughputRate: 250.5, moduleLatency: 6.25
[post] throughputRate: 6.1875, moduleLatency: 161.616
"""
PURE = """\
[INFO] Dataset number: 0 finished cost 31.5ms
[INFO] Dataset number: 1 finished cost 32.5ms
[INFO] PureInfer result saved in ./result/PureInfer_perf_of_tiny_bs8_in_device_2.txt
-----------------PureInfer Performance Summary------------------
[INFO] ave_throughputRate: 250.5samples/s, ave_latency: 4.00125ms
"""
MSAME = """\
[INFO] open device 1 success
Inference time: 24.5ms
Inference time: 19.5ms
Inference average time: 20.250000 ms
Inference average time without first time: 20.000000 ms
"""
TRTEXEC = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8401] # trtexec --onnx=tiny.onnx --shapes=image:8x3x4x6
[02/03/2024-04:05:06] [I] Throughput: 160 qps
[02/03/2024-04:05:06] [I] Latency: min = 4.5 ms, max = 6.5 ms, mean = 5.5 ms, median = 5.25 ms, percentile(99%) = 6 ms
[02/03/2024-04:05:06] [I] GPU Compute Time: min = 4 ms, max = 6 ms, mean = 5 ms, median = 4.75 ms, percentile(99%) = 5.5 ms
[02/03/2024-04:05:06] [I] Total Host Walltime: 2.5 s
[02/03/2024-04:05:06] [I] Total GPU Compute Time: 2 s
[02/03/2024-04:05:06] [W] * Throughput may be bound by Enqueue Time rather than GPU Compute and the GPU may be under-utilized.
[02/03/2024-04:05:06] [W] * GPU compute time is unstable, with coefficient of variance = 6.25%.
&&&& PASSED TensorRT.trtexec [TensorRT v8401] # trtexec --onnx=tiny.onnx --shapes=image:8x3x4x6
"""
ALL = {"ais_bench": AIS, "benchmark": BENCHMARK, "msame": MSAME, "trtexec": TRTEXEC}


@pytest.fixture
def read(tmp_path):
    """Return what a text reads as, from a file of some name."""

    def call(text, name="printed.log", batch_size=None):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        (log,) = logs.read_logs([path], batch_size)
        data = logs.as_data(log)
        json.dumps(data, allow_nan=False)
        return data

    return call
