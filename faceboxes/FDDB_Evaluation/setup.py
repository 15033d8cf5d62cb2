"""The guide's `python setup.py install`, which compiles the overlap of boxes; here it is numpy, in faceboxes_fddb/boxes.py."""

if __name__ == "__main__":
    print("nothing to compile or to install here; go on with: python evaluate.py -g ./ground_truth")
