"""What a session shows of itself: tables, lazy arrays, single trials, one clock for all streams, text for people."""
