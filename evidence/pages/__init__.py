"""Pages of ``docs/`` that are made of the model, of searches and of goldens; no part of the wheel."""
