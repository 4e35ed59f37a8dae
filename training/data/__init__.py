"""What is learned from: images, and the architectures of DeepNets-1M."""
