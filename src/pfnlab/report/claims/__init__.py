"""The claims page: what the discussions claim, sentence by sentence, with what models and kernels say of "
"it."""
