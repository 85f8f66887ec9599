"""A trained network as what is deployed: a graph from bytes to classes, in the formats that others load."""
