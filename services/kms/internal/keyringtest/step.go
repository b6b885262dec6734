package keyringtest

import (
	"fmt"
	"slices"
)

// step makes one operation.
func (m *model) step(t T, driver Driver, random Random, number int) {
	t.Helper()
	k, ref := m.pick(random)
	version := 1 + random.IntN(len(k.versions))
	what := fmt.Sprintf("step %d: %s version %d (%s, primary %d, %v, minima %d/%d)", number, ref, version, k.status, k.primary, k.versions, k.decrypt, k.encrypt)
	switch choice := random.IntN(16); choice {
	case 0, 1, 2, 3:
		m.moveKey(t, driver, k, ref, []string{"enable", "disable", "schedule-deletion", "cancel-deletion"}[choice], what)
	case 4:
		expect(t, k.rotate(), driver.Key(ref, "rotate"), what+": rotate")
	case 5, 6, 7, 8, 9:
		action := []string{"enable", "disable", "mark-compromised", "schedule-destruction", "restore"}[choice-5]
		expect(t, k.moveVersion(version, action), driver.Version(ref, version, action), what+": "+action)
	case 10:
		expect(t, k.setPrimary(version), driver.Version(ref, version, "set-primary"), what+": set-primary")
	case 11:
		decrypt, encrypt := random.IntN(len(k.versions)+2), random.IntN(len(k.versions)+2)
		expect(t, k.minima(decrypt, encrypt), driver.Minima(ref, decrypt, encrypt), fmt.Sprintf("%s: minima %d/%d", what, decrypt, encrypt))
	case 12:
		m.alias(t, driver, random, k, ref, what)
	case 13, 14:
		message, code := driver.Encrypt(ref)
		expect(t, k.makes(), code, what+": encrypt")
		if code == "" {
			k.messages[k.primary-1] = message
		}
	case 15:
		if k.messages[version-1] != "" {
			expect(t, k.reads(version), driver.Decrypt(ref, k.messages[version-1]), what+": decrypt")
		}
	}
	m.compare(t, driver, k, what)
}

func (m *model) moveKey(t T, driver Driver, k *key, ref, action, what string) {
	t.Helper()
	want, move := "", transitions[action]
	if slices.Contains(move.from, k.status) {
		k.status = move.to
	} else {
		want = invalidState
	}
	expect(t, want, driver.Key(ref, action), what+": "+action)
}

func (k *key) rotate() string {
	if k.status != "active" {
		return invalidState
	}
	k.versions, k.marked, k.messages = append(k.versions, "enabled"), append(k.marked, false), append(k.messages, "")
	k.primary = len(k.versions)
	return ""
}

func (k *key) moveVersion(version int, action string) string {
	move, at := versionTransitions[action], version-1
	if !slices.Contains(move.from, k.versions[at]) {
		return invalidState
	}
	k.versions[at] = move.to
	if action == "mark-compromised" {
		k.marked[at] = true
	}
	if action == "restore" && k.marked[at] {
		k.versions[at] = "compromised"
	}
	return ""
}

func (k *key) setPrimary(version int) string {
	if k.status == "pending_delete" || k.versions[version-1] != "enabled" || version < k.encrypt || version < k.decrypt {
		return invalidState
	}
	k.primary = version
	return ""
}

func (k *key) minima(decrypt, encrypt int) string {
	switch {
	case k.status == "pending_delete":
		return invalidState
	case decrypt > k.primary, encrypt > k.primary, encrypt != 0 && encrypt < decrypt:
		return validation
	}
	k.decrypt, k.encrypt = decrypt, encrypt
	return ""
}

func (k *key) makes() string {
	if k.status != "active" || k.versions[k.primary-1] != "enabled" {
		return invalidState
	}
	return ""
}

func (k *key) reads(version int) string {
	switch status := k.versions[version-1]; {
	case k.status != "active":
		return invalidState
	case status == "compromised":
		return compromised
	case status != "enabled":
		return invalidState
	case version < k.decrypt:
		return belowMinimum
	}
	return ""
}

// alias makes, moves or deletes one of a few aliases, or tries a name that a key has.
func (m *model) alias(t T, driver Driver, random Random, k *key, ref, what string) {
	t.Helper()
	name := fmt.Sprint("alias-", random.IntN(3))
	of, there := m.aliases[name]
	switch random.IntN(4) {
	case 0:
		want := ""
		if there {
			want = conflict
		} else {
			m.aliases[name] = k
		}
		expect(t, want, driver.Alias(name, ref), what+": alias "+name)
	case 1:
		want := ""
		if !there {
			want = notFound
		} else {
			m.aliases[name] = k
		}
		expect(t, want, driver.MoveAlias(name, ref), what+": move "+name)
	case 2:
		want := ""
		if !there {
			want = notFound
		}
		delete(m.aliases, name)
		expect(t, want, driver.DeleteAlias(name), what+": delete "+name)
	case 3:
		expect(t, conflict, driver.Alias(m.keys[0].name, ref), what+": an alias with the name of a key")
		if there {
			expect(t, conflict, driver.Create(name), what+": a key with the name of an alias of "+of.name)
		}
	}
}
