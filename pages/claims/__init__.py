"""The claims page: what the discussions claim, and what models and kernels say of each sentence."""
