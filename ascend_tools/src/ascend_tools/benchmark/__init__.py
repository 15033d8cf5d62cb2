"""What a network does per second on what this machine has, beside the figures that its guide documents."""
