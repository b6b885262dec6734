package refusaltest_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// managed are, for each operation on a key that is no use of it, the request.
func managed(id, person string, recipient json.RawMessage) map[string]kmstest.Ask {
	key := "elastic-keys/" + id
	version := key + "/material-keys/1"
	return map[string]kmstest.Ask{
		"getElasticKey":                  {Path: key, Body: nil},
		"updateElasticKey":               {Path: key, Body: map[string]any{"description": "changed"}},
		"rotateElasticKey":               {Path: key + "/rotate", Body: nil},
		"createMaterialKey":              {Path: key + "/material-keys", Body: nil},
		"listMaterialKeys":               {Path: key + "/material-keys", Body: nil},
		"enableElasticKey":               {Path: key + "/enable", Body: nil},
		"disableElasticKey":              {Path: key + "/disable", Body: nil},
		"scheduleElasticKeyDeletion":     {Path: key + "/schedule-deletion", Body: nil},
		"cancelElasticKeyDeletion":       {Path: key + "/cancel-deletion", Body: nil},
		"deleteElasticKey":               {Path: key + "/delete", Body: nil},
		"backupElasticKey":               {Path: key + "/backup", Body: map[string]any{"recipients": []any{recipient}}},
		"getPublicKey":                   {Path: key + "/public-key?version=1", Body: nil},
		"exportElasticKey":               {Path: key + "/export", Body: map[string]any{"recipient": recipient, "version": 1}},
		"attestKey":                      {Path: key + "/attestation?version=1", Body: nil},
		"createImportJob":                {Path: key + "/import-jobs", Body: map[string]any{"wrapping": kmstest.MethodECDH}},
		"createKeyGrant":                 {Path: key + "/grants", Body: kmstest.KeyGrant("user", person, "read")},
		"listKeyGrants":                  {Path: key + "/grants", Body: nil},
		"retryElasticKeyGeneration":      {Path: key + "/retry-generation", Body: nil},
		"listImportJobs":                 {Path: key + "/import-jobs", Body: nil},
		"importKey":                      {Path: key + "/import", Body: map[string]any{"job": "nobodys", "wrapped_material": "AAAA"}},
		"getMaterialKey":                 {Path: version, Body: nil},
		"enableMaterialKey":              {Path: version + "/enable", Body: nil},
		"disableMaterialKey":             {Path: version + "/disable", Body: nil},
		"setPrimaryMaterialKey":          {Path: version + "/set-primary", Body: nil},
		"compromiseMaterialKey":          {Path: version + "/mark-compromised", Body: nil},
		"scheduleMaterialKeyDestruction": {Path: version + "/schedule-destruction", Body: nil},
		"restoreMaterialKey":             {Path: version + "/restore", Body: nil},
		"destroyMaterialKey":             {Path: version + "/destroy", Body: nil},
	}
}

// refusing are the states in which each of them is refused. All are refused for a deleted key, which does not exist.
func refusing() map[string][]string {
	return map[string][]string{
		"attestKey":                      {"versionDestroyed"},
		"backupElasticKey":               {},
		"cancelElasticKeyDeletion":       {"active", "disabled", "versionDisabled", "versionCompromised", "versionDying", "versionDestroyed"},
		"compromiseMaterialKey":          {"versionCompromised", "versionDying", "versionDestroyed"},
		"createImportJob":                {"dying"},
		"createMaterialKey":              {"disabled", "dying"},
		"deleteElasticKey":               {"active", "disabled", "versionDisabled", "versionCompromised", "versionDying", "versionDestroyed"},
		"destroyMaterialKey":             {"active", "disabled", "dying", "versionDisabled", "versionCompromised", "versionDestroyed"},
		"disableElasticKey":              {"disabled", "dying"},
		"disableMaterialKey":             {"versionDisabled", "versionCompromised", "versionDying", "versionDestroyed"},
		"enableElasticKey":               {"active", "dying", "versionDisabled", "versionCompromised", "versionDying", "versionDestroyed"},
		"enableMaterialKey":              {"active", "disabled", "dying", "versionCompromised", "versionDying", "versionDestroyed"},
		"exportElasticKey":               {"disabled", "dying", "versionDisabled", "versionCompromised", "versionDying", "versionDestroyed"},
		"getElasticKey":                  {},
		"getMaterialKey":                 {},
		"getPublicKey":                   {"versionDestroyed"},
		"importKey":                      {"disabled", "dying"},
		"retryElasticKeyGeneration":      {"active", "disabled", "dying", "versionDisabled", "versionCompromised", "versionDying", "versionDestroyed"},
		"createKeyGrant":                 {"dying"},
		"listKeyGrants":                  {},
		"listImportJobs":                 {},
		"listMaterialKeys":               {},
		"restoreMaterialKey":             {"active", "disabled", "dying", "versionDisabled", "versionCompromised", "versionDestroyed"},
		"rotateElasticKey":               {"disabled", "dying"},
		"scheduleElasticKeyDeletion":     {"dying"},
		"scheduleMaterialKeyDestruction": {"versionDying", "versionDestroyed"},
		"setPrimaryMaterialKey":          {"dying", "versionDisabled", "versionCompromised", "versionDying", "versionDestroyed"},
		"updateElasticKey":               {"dying"},
	}
}

// What manages keys is refused by its state on a replica that has just heard of it, and otherwise done.
func TestStates_WhatManagesKeysHoldsToThem(t *testing.T) {
	t.Parallel()
	kmstest.EachState(t, func(t *testing.T, c *kmstest.States) {
		_, to := kmstest.Recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		policy := map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.IDs["anna"], c.IDs["ben"]}}}
		for state, steps := range map[string][]string{
			"active": nil, "disabled": {"disable"}, "dying": {"schedule-deletion"}, "deleted": {"schedule-deletion", " delete"},
			"versionDisabled": {"material-keys/1/disable"}, "versionCompromised": {"material-keys/1/mark-compromised"},
			"versionDying":     {"material-keys/1/schedule-destruction"},
			"versionDestroyed": {"material-keys/1/schedule-destruction", " material-keys/1/destroy"},
		} {
			for _, op := range kmstest.Operations(t) {
				if !strings.Contains(op.Path, "/elastic-keys/{id}") || kmstest.IsUse(t, op.Path) || op.ID == "getImportJob" || strings.Contains(op.Path, "{grant}") {
					continue // of single jobs and grants, which have tests of their own
				}
				members := map[string]any{"algorithm": "A256GCM/ECDH-ES+A256KW", "exportable": true, "import_allowed": true, "policy": policy}
				key := c.First.Made(t, "managed-"+strings.ToLower(rand.Text()), members)
				c.First.Post(t, "", "elastic-keys/"+key+"/rotate", nil)
				for _, step := range steps {
					c.Step(t, key, step)
				}
				asked, known := managed(key, c.IDs["anna"], to)[op.ID]
				require.True(t, known, "%s is new: say how it is asked, and in which states it is refused", op.ID)
				refused, known := refusing()[op.ID]
				require.True(t, known, op.ID)
				header := []string{"If-Match", `"1"`}
				if tag := c.Second.Call(t, "", http.MethodGet, "elastic-keys/"+key, nil).Header.Get("ETag"); tag != "" {
					header[1] = tag
				}
				if op.Method != http.MethodPatch {
					header = nil
				}
				got := c.Second.Call(t, "", op.Method, asked.Path, asked.Body, header...)
				switch {
				case state == "deleted":
					got.Refused(t, http.StatusNotFound, kmstest.NotFound, op.ID+": "+state)
				case slices.Contains(refused, state):
					got.Refused(t, http.StatusConflict, kmstest.InvalidState, op.ID+": "+state)
				case op.ID == "importKey": // the job is nobody's
					got.Refused(t, http.StatusNotFound, kmstest.NotFound, op.ID+": "+state)
				case got.Status/100 != 2: // the quorum is asked when there is nothing else against it
					got.Refused(t, http.StatusForbidden, "approval_required", op.ID+": "+state)
				}
			}
		}
	})
}
