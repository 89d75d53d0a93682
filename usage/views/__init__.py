"""The pages of usage: parse, one service call, answer."""
