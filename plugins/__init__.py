"""The built-in families: each is a plugin like any third party's, announced through the same hooks."""
