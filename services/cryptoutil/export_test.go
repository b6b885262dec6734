package cryptoutil

// Command and Dev are the command line and development mode for tests that look at what they write.
var (
	Command = command
	Dev     = dev
)
