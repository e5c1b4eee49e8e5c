"""What several commands share: their options, their help, what they print, where they find a run."""
