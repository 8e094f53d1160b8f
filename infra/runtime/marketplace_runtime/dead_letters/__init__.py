"""Dead letters: kept in a table where people inspect, redrive or discard them."""
