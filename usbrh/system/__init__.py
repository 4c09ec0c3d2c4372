"""What usbrh asks of the machine: files and paths, who may use a device node, and how usbrh itself is installed."""
