"""One run, from a checked configuration to a report: one file per stage."""
