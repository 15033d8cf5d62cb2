"""Many items through a network: order, batches, threads, going on after an interruption."""
