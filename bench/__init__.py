"""What the speed claims rest on: everything is measured in one run, on one machine, and told as a ratio. See bench/README.md."""
