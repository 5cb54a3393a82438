"""Rebuild the state of accounts from the event log, as of now or of a past moment, and hold the tables against it."""
