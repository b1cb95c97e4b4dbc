"""Run the same training with Graft and with other libraries' trainers, under the same conditions."""
