package kms_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// managed are, for each operation on a key that is no use of it, the request.
func managed(id, person string, recipient json.RawMessage) map[string]ask {
	key := "elastic-keys/" + id
	version := key + "/material-keys/1"
	return map[string]ask{
		"getElasticKey":                  {key, nil},
		"updateElasticKey":               {key, map[string]any{"description": "changed"}},
		"rotateElasticKey":               {key + "/rotate", nil},
		"createMaterialKey":              {key + "/material-keys", nil},
		"listMaterialKeys":               {key + "/material-keys", nil},
		"enableElasticKey":               {key + "/enable", nil},
		"disableElasticKey":              {key + "/disable", nil},
		"scheduleElasticKeyDeletion":     {key + "/schedule-deletion", nil},
		"cancelElasticKeyDeletion":       {key + "/cancel-deletion", nil},
		"deleteElasticKey":               {key + "/delete", nil},
		"backupElasticKey":               {key + "/backup", map[string]any{"recipients": []any{recipient}}},
		"getPublicKey":                   {key + "/public-key?version=1", nil},
		"exportElasticKey":               {key + "/export", map[string]any{"recipient": recipient, "version": 1}},
		"attestKey":                      {key + "/attestation?version=1", nil},
		"createImportJob":                {key + "/import-jobs", map[string]any{"wrapping": methodECDH}},
		"createKeyGrant":                 {key + "/grants", keyGrant("user", person, "read")},
		"listKeyGrants":                  {key + "/grants", nil},
		"retryElasticKeyGeneration":      {key + "/retry-generation", nil},
		"listImportJobs":                 {key + "/import-jobs", nil},
		"importKey":                      {key + "/import", map[string]any{"job": "nobodys", "wrapped_material": "AAAA"}},
		"getMaterialKey":                 {version, nil},
		"enableMaterialKey":              {version + "/enable", nil},
		"disableMaterialKey":             {version + "/disable", nil},
		"setPrimaryMaterialKey":          {version + "/set-primary", nil},
		"compromiseMaterialKey":          {version + "/mark-compromised", nil},
		"scheduleMaterialKeyDestruction": {version + "/schedule-destruction", nil},
		"restoreMaterialKey":             {version + "/restore", nil},
		"destroyMaterialKey":             {version + "/destroy", nil},
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
	eachState(t, func(t *testing.T, c *states) {
		_, to := recipient(t, "ECDH-ES+A256KW", 0, "P-256")
		policy := map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.ids["anna"], c.ids["ben"]}}}
		for state, steps := range map[string][]string{
			"active": nil, "disabled": {"disable"}, "dying": {"schedule-deletion"}, "deleted": {"schedule-deletion", " delete"},
			"versionDisabled": {"material-keys/1/disable"}, "versionCompromised": {"material-keys/1/mark-compromised"},
			"versionDying":     {"material-keys/1/schedule-destruction"},
			"versionDestroyed": {"material-keys/1/schedule-destruction", " material-keys/1/destroy"},
		} {
			for _, op := range operations(t) {
				if !strings.Contains(op.Path, "/elastic-keys/{id}") || isUse(t, op.Path) || op.ID == "getImportJob" || strings.Contains(op.Path, "{grant}") {
					continue // of single jobs and grants, which have tests of their own
				}
				members := map[string]any{"algorithm": "A256GCM/ECDH-ES+A256KW", "exportable": true, "import_allowed": true, "policy": policy}
				key := c.first.made(t, "managed-"+strings.ToLower(rand.Text()), members)
				c.first.post(t, "", "elastic-keys/"+key+"/rotate", nil)
				for _, step := range steps {
					c.step(t, key, step)
				}
				asked, known := managed(key, c.ids["anna"], to)[op.ID]
				require.True(t, known, "%s is new: say how it is asked, and in which states it is refused", op.ID)
				refused, known := refusing()[op.ID]
				require.True(t, known, op.ID)
				header := []string{"If-Match", `"1"`}
				if tag := c.second.call(t, "", http.MethodGet, "elastic-keys/"+key, nil).header.Get("ETag"); tag != "" {
					header[1] = tag
				}
				if op.Method != http.MethodPatch {
					header = nil
				}
				got := c.second.call(t, "", op.Method, asked.path, asked.body, header...)
				switch {
				case state == "deleted":
					got.refused(t, http.StatusNotFound, notFound, op.ID+": "+state)
				case slices.Contains(refused, state):
					got.refused(t, http.StatusConflict, invalidState, op.ID+": "+state)
				case op.ID == "importKey": // the job is nobody's
					got.refused(t, http.StatusNotFound, notFound, op.ID+": "+state)
				case got.status/100 != 2: // the quorum is asked when there is nothing else against it
					got.refused(t, http.StatusForbidden, "approval_required", op.ID+": "+state)
				}
			}
		}
	})
}
