"""How nano came to be: made-up people, autoencoders, the joint transformer, the identity adapter. One module a stage."""
