"""Programs on a real kernel: requests to the agent, replies as observations, operation by operation."""
