"""Speed and memory of the queue readers, against what users would run instead: `python -m bench`."""
