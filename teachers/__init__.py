"""Any teacher in: opens a trained network from a file of any format, and looks at it before it teaches."""
