"""How samples of one clock become samples of another: positions, kernels, and the resampler that puts them together."""
