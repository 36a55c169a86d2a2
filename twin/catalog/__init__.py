"""What instance types cost and how fast their memory is: dated figures, each with its source."""

from twin.catalog.instances import Price, bandwidth, price

__all__ = ["Price", "bandwidth", "price"]
