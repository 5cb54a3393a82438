"""Orders, their events and their streams, in Alpaca's shapes."""
