"""Tables and JSON Lines: formats, encodings, columns and rows."""
