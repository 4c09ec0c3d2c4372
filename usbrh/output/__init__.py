"""Output of readings as text, terminal screen, chart, picture and log file."""
