"""The mail threads, version by version, and what discussions claim, with the answers of models and kernels.

``form`` has a claim, ``reading`` the files that have the claims of a discussion (``004.toml``),
``asking`` the questions to models, ``evidence`` what kernels showed, and ``observed`` the parts of a step
that both look at. ``posted`` has the threads behind them, version by version (``threads/T02.toml``).
"""
