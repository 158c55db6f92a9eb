"""Programs on a real kernel: requests to the agent, replies as observations, one operation at a time."""
