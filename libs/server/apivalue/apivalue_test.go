package apivalue_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestBytes_HaveOneSpelling(t *testing.T) {
	t.Parallel()
	for _, content := range [][]byte{{}, {0}, {0xff, 0xfe}, []byte("hello")} {
		decoded, err := apivalue.Decode("/x", apivalue.Encode(content))
		require.NoError(t, err)
		assert.Equal(t, content, decoded)
	}
	for _, text := range []string{"aGk=", "aGl", "a", "aGk\n", "a+b/", "aG k"} {
		_, err := apivalue.Decode("/x", text)
		var refused *problem.Error
		require.ErrorAs(t, err, &refused, text)
		assert.Equal(t, problem.ValidationFailed, refused.ErrorCode())
		assert.Equal(t, "/x", refused.Fields()[0].Pointer)
	}
}

func TestTimestamp_HasMicrosecondsAndIsUTC(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 2, 10, 30, 0, 1500, time.FixedZone("", 3600))
	assert.Equal(t, "2026-11-02T09:30:00.000001Z", apivalue.Timestamp(at))
	assert.Nil(t, apivalue.OptionalTimestamp(time.Time{}))
	assert.Equal(t, apivalue.Timestamp(at), *apivalue.OptionalTimestamp(at))
}

func TestOptional_ZeroIsAbsent(t *testing.T) {
	t.Parallel()
	assert.Nil(t, apivalue.Optional(""))
	assert.Equal(t, 7, apivalue.Of(apivalue.Optional(7)))
	assert.Empty(t, apivalue.Of[string](nil))
}

func TestEach_IsAListInJSONEvenWhenThereIsNothing(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"3", "1", "3"}, apivalue.Each([]int{3, 1, 3}, strconv.Itoa))
	for _, none := range [][]int{nil, {}} {
		text, err := json.Marshal(apivalue.Each(none, strconv.Itoa))
		require.NoError(t, err)
		assert.Equal(t, "[]", string(text))
	}
}
