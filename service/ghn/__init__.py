"""Graph HyperNetworks: GHN-2, GHN-1 and the MLP baseline from one configuration."""
