"""The session store: its layout, how it is written, published and checked. Paths inside a store are known here alone."""
