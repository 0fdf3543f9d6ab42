"""From recordings to slices, features and a list to train on; and the report about them."""
