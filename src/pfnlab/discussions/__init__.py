"""Mail threads by posted version, and discussion claims with the answers of models and kernels.

``form`` defines a claim, ``reading`` reads a discussion's claims from its file (``004.toml``),
``claim_questions`` has the questions put to models, ``evidence`` has results from kernels, and ``step_parts``
has the parts of a step that both compare. ``posted_threads`` has the threads, by version
(``threads/T02.toml``).
"""
