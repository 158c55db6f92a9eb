"""A virtual machine: QEMU and its monitor, the channel to the agent inside, and the pool of guests."""
