"""The link between chips: frames with checks, sent again until they are answered, and the orders that use it."""
