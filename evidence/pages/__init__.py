"""Pages of ``docs/`` generated from the model, searches and goldens; not part of the wheel."""
