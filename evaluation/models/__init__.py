"""The catalogue of models, building and loading."""
