"""What the Makefile runs: checks of the source and the demonstration."""
