"""Speech in and speech out: samples to audio tokens, and audio tokens to samples."""
