"""PCB on Market-1501: network, preprocessing, evaluation."""
