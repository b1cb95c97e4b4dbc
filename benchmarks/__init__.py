"""What Graft measures of itself: suites of runs, and the same work done with other libraries' trainers."""
