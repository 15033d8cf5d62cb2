"""What a cluster's machines are given to measure the cluster with: a network that only waits, and tasks that only wait."""
