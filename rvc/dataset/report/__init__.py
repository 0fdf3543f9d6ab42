"""What is wrong with a folder of recordings, and how much of it can be trained on."""
