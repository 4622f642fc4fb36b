"""What was found, as text for people and in the forms that forges and their tools read. Each module has one `written`."""
