"""The pages of orders, and the commands that pages send."""
