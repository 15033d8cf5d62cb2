"""R-FCN with ResNet-101 on VOC2007: network, preprocessing, postprocessing, evaluation."""
