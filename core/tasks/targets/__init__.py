"""Target types: what a task predicts, and how it is encoded, decided and written."""
