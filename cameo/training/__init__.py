"""How nano came to be, one module a stage: made-up people, autoencoders, the joint transformer, the adapter."""
