"""Models as flat records: one dictionary for each, with the same keys in all of them."""
