"""The mail threads, by posted version, and the claims of discussions with the answers of models and kernels.

``form`` defines a claim, ``reading`` reads the claims of a discussion from its file (``004.toml``),
``claim_questions`` has the questions to models, ``evidence`` the results of kernels, and ``step_parts`` the
parts of a step that both compare. ``posted_threads`` has the threads, by version (``threads/T02.toml``).
"""
