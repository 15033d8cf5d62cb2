"""EfficientDet-D0 on COCO: network, preprocessing, postprocessing, evaluation."""
