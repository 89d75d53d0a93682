"""What the staff see: thin handlers over figures, search and timeline."""
