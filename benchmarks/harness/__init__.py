"""How anything is measured: what is common to all suites, and knows none of them."""
