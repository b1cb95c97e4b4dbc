"""Token classification: a tag for each word of a text, such as the names of persons and places in it."""
