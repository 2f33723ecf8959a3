"""What `build.py` and `smoke_test.py` are made of; each module knows one format or one step."""
