"""A plugin for Graft: tickets and how urgent they are. `plugin.py` says what there is, the other modules do it."""
