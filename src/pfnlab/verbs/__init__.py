"""The verbs of pfnlab, one module for each verb or group: requests (whose fields are options) and results.

A verb is a module with

- a docstring, which is its help;
- a request, a frozen structure in which each field with an :class:`~pfnlab.verbs.option.Option` is an option;
  and
- ``perform(request, say)``, which yields the results, each with its ``outcome``. A result is a structure, or
  :class:`~pfnlab.base.result.PlainText` if it is only text.

Its examples, command lines with descriptions, are in ``examples.txt``.

The command line, the library and campaigns call ``perform``. A module is named after its verb; the command
line finds it by that name and reads its options (``cli/reader.py``). Help and completion import the module
too, so whatever only ``perform`` needs is imported inside it.

A group of verbs is a module too, e.g. ``kernels``, and so is pfnlab itself: ``VERBS`` lists the names of its
verbs in the order used by help. The verbs of a group are in its module: ``perform_fetch`` runs ``kernels
fetch``, and the docstring of its request is its help. If only the group is named, its own ``perform`` or
``list`` runs. A group may have options, written before the verb: ``prepare(request)`` takes them.
"""
