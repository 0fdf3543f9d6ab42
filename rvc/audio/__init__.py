"""Sound in and out: files, resampling, filters, spectra, slicing, effects."""
