"""LResNet100E-IR on LFW: network, preprocessing, postprocessing, evaluation."""
