"""The generator of checked-in source: ``python -m ev_energy_sync._generate [--check]``.

It reads the async package as source text, without importing it, and writes

- the blocking twins of the resource modules and the families of the blocking client,
- the exports of ``ev_energy.models`` and ``ev_energy.expand``,
- ``ev_energy/_api/resource_paths.py``, which tells `Client.fetch` the path of each model,
- ``ev_energy/_codec/id_models.py``, which tells the models that each id in a path belongs to,
- ``docs/operations.md``, the links to it on the pages of ``docs/reference``, and the number of
  operations in the README and ``docs/simulator.md``,
- ``docs/index.md``, the overview of the site, from the README.

The generator is part of the repository and of the source distribution, not of the wheel.
"""
