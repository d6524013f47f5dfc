"""Which implementation is authority now, and the journal that lets a candidate earn it."""
