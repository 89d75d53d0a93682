"""The operator's acts as pages of the console: thin, one service call each. Finance alone may open them; nothing happens on GET."""
