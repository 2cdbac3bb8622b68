"""One module per DVC stage; the library is in the packages under it."""
