"""Every adapter method on the same task: what it saves, trains and needs, how fast it is and how well it does."""
