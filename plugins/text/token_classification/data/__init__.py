"""Read data for token classification: columns of words and tags, JSON with words or spans, data sets of the Hub."""
