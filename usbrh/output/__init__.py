"""How readings are shown: text, terminal screen, chart, picture, log file."""
