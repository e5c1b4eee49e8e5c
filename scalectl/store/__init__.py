"""Files that survive kill -9, power cuts and flipped bits."""
