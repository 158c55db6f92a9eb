"""The verbs of pfnlab, one module for each or for a group: requests, whose fields are options, and results.

A verb is a module with

- a docstring, which is its help;
- a request, a frozen structure: a field with an :class:`~pfnlab.verbs.option.Option` is an option; and
- ``perform(request, say)``, which gives the results one by one, each with its ``outcome``: structures, or
  :class:`~pfnlab.base.result.PlainText` where there is no more than what is read.

Its examples, command lines and what each shows, are in ``examples.txt``.

The command line, the library and campaigns call ``perform``. A module is named as its verb; the command line
finds it here by that name, and reads its options (``cli/reader.py``). It is imported for its own help and for
completion, so what ``perform`` needs is imported there.

A group of verbs is a module too, ``kernels``, and so is pfnlab itself: ``VERBS`` has their names in the order
of help. Verbs of a group are in its module: ``perform_fetch`` does ``kernels fetch``, and the docstring
of its request is its help. Where none of them is named, the group's own ``perform`` is called, or ``list`` is
done. It may have options, which stand before the verb: ``prepare(request)`` takes them.
"""
