"""What is measured of a row: metrics, bytes, use of the codes, what is lost, time."""
