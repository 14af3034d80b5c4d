"""The story of one order in people's words: where it stands, what happened to it, what was done for it, and what is
still to be. For the page of one order, and for `orderhub log show`."""
