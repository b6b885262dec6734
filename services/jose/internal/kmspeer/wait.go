package kmspeer

import (
	"net/http"
	"strconv"
	"time"
)

// maxWait bounds what the KMS can have our callers wait for.
const maxWait = time.Minute

// wait is when the KMS says that it can again (RFC 9110 section 10.2.3, in seconds, which is how its services say it); 0 if it does not.
func wait(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxWait)
}
