"""Define the records that previs keeps in a store: takes, picks and manifests."""
