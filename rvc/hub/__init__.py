"""Model files of others: the catalogue, the download room, reading what strangers wrote."""
