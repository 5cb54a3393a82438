"""Adapters to where prices come from; each satisfies `protocol.FeedAdapter`."""
