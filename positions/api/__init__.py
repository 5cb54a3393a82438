"""Account and positions, in Alpaca's shapes."""
