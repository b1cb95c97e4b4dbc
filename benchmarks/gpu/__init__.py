"""A large decoder with random weights on one GPU: Graft's loop beside transformers' `Trainer`, in one process."""
