"""The kernel functions of the subject: files, callers, locks and invariants, by release."""
