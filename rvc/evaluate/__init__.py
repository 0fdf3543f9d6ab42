"""How good a conversion is, by judges that know nothing of it."""
