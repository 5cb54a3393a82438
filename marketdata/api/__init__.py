"""Assets, clock and calendar, in Alpaca's shapes."""
