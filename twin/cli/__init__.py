"""`python -m twin`: parse, call, print."""
