"""FaceBoxes on FDDB: the model's own logic. Only `network` needs torch."""
