"""The demonstration: a pretend world on this machine, and a real hub over it."""
