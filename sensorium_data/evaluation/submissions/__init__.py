"""The files that the benchmarks take: made, checked and read, one trial at a time."""
