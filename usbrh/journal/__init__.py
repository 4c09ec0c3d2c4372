"""The journal: usbrh's own send queue and history (not systemd's journal), in one SQLite file."""
