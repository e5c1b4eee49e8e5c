"""Check emitted files: build them again by their library, run them, and compare them with its own networks."""
