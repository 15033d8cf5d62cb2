"""What has to be changed on the way to Ascend, one change per module; README.md says why."""
