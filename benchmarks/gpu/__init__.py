"""Compare Graft's loop with transformers' `Trainer` on a large decoder with random weights, on one GPU."""
