"""`python -m bench`: measurements, each beside what there is to beat. Never run as a test."""
