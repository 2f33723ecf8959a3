"""The mode lab: one question through every inference mode, measured and written up."""
