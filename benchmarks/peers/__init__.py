"""The same training done by Graft and by other libraries' own trainers, in the same process conditions."""
