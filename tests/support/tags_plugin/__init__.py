"""A plugin for tests: a tag for each word of a sentence, so targets and predictions have many lengths."""
