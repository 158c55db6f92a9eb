"""The verbs of pfnlab, one module for each verb or group: requests, whose fields are options, and results.

A verb is a module with

- a docstring, which is its help;
- a request, a frozen structure: each field with an :class:`~pfnlab.verbs.option.Option` is an option; and
- ``perform(request, say)``, which yields the results, each with its ``outcome``: structures, or
  :class:`~pfnlab.base.result.PlainText` for text alone.

Its examples, command lines with descriptions, are in ``examples.txt``.

The command line, the library and campaigns call ``perform``. A module has the name of its verb; the command
line finds it by that name and reads its options (``cli/reader.py``). Help and completion import the module
too, so ``perform`` imports what only it needs.

A group of verbs is a module too, e.g. ``kernels``, and so is pfnlab itself: ``VERBS`` has the names of its
verbs in the order of help. The verbs of a group are in its module: ``perform_fetch`` runs ``kernels fetch``,
and the docstring of its request is its help. For the group alone, its own ``perform`` runs, or ``list``. A
group may have options, written before the verb: ``prepare(request)`` takes them.
"""
