"""Read networks that others have written down: timm's block strings, and files of pycls."""
