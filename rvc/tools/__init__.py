"""Small verbs: model files, analyses, the demo."""
