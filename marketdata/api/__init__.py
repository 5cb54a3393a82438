"""Assets, clock, calendar and bars, in Alpaca's shapes."""
