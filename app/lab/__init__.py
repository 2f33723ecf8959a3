"""The mode lab: one question through all four inference modes, measured and written up."""
