"""A plugin for Graft: how urgent is a ticket? `plugin.py` announces the components, the other modules do the work."""
