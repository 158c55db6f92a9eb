"""An explicit-state model checker: every state a model can reach, held against properties.

Nothing here knows of kernels. Reading order: ``model`` (what is searched), ``property`` (what is asked),
``path`` (how a state is reached), ``explore`` (the search).
"""
