"""Where the paper gateway's prices come from: a seeded walk or a recorded tape behind one protocol."""
