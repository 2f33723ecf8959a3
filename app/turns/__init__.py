"""When the user speaks: voice detection, the begin and end of turns, and the utterances cut out."""
