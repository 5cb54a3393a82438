"""What every part of the partner API shares: keys, rates, JSON and errors."""
