"""Compare all adapter methods on the same task: saved size, trained parameters, memory, speed and score."""
