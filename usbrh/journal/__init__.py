"""The journal: the send queue and local history of usbrh, in one SQLite file."""
