"""What ``usbrh setup`` installs on a machine and removes again."""
