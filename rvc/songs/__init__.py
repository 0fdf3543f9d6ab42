"""Songs: the voice taken out, converted and put back."""
