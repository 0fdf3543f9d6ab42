"""Things done with voices and sound beside training and converting."""
