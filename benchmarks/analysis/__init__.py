"""What samples say: pure functions of what a run wrote down."""
