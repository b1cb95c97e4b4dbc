"""Presets. Hydra looks into a folder of a package only where it has an `__init__.py`."""
