"""Data sets that are generated or bundled: digits and scenes of digits."""
