"""The presets. Hydra finds a folder of a package only if it has an `__init__.py`."""
