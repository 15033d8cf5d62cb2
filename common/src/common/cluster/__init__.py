"""The same run on several machines: Ray's actors hold the network, and the driver keeps what they find."""
