"""The verbs of pfnlab, one module each: a request, whose fields are its options, and its results.

A verb is a module with

- a docstring, which is its help;
- a request, a frozen structure: a field with an :class:`~pfnlab.verbs.option.Option` is an option;
- ``perform(request, say)``, which gives the results one by one, each with its ``outcome``: structures, or
  :class:`~pfnlab.base.result.PlainText` where there is no more than what is read;
- ``EXAMPLES``, command lines and what each shows.

The command line, the library and campaigns call ``perform``. A module is named as its verb, ``kernels_meet``
for ``kernels meet``; the command line finds it here by that name, and reads its options (``cli/reader.py``).
It is imported for its own help and for completion, so what ``perform`` needs is imported there.

A group of verbs is a module too, ``kernels``, and so is pfnlab itself: ``VERBS`` has their names in the order
of help. Where none of them is named, its own ``perform`` is called, or ``list`` is done. It may have options,
which stand before the verb: ``prepare(request)`` takes them.
"""
